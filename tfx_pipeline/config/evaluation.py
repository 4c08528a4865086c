"""When a model is blessed, and what is shown of it."""

from __future__ import annotations

from pydantic import Field, model_validator

from tfx_pipeline.config.base import Frozen


class MetricBound(Frozen):
    """One condition of the blessing, on a metric of the Scorecard, in the metric's own unit.

    A metric that is better when higher takes `at_least`, and `may_drop`: how much lower than
    the last blessed model's value on the same events it may be. One that is better when lower
    takes `at_most` and `may_rise`. `may_trail` is for both: by how much it may be worse than the
    best trivial baseline on the same events; 0 refuses a model that a trivial method beats.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    may_drop: float | None = Field(default=None, ge=0)
    may_rise: float | None = Field(default=None, ge=0)
    may_trail: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _says_something(self) -> MetricBound:
        higher = (self.at_least, self.may_drop) != (None, None)
        lower = (self.at_most, self.may_rise) != (None, None)
        if (higher and lower) or not (higher or lower or self.may_trail is not None):
            raise ValueError(
                "give may_trail, or at_least and/or may_drop, or at_most and/or may_rise"
            )
        return self


class EvaluationConfig(Frozen):
    """When a model is blessed, and what is shown of it.

    `slices` are lists of feature names, for example `[[service], [service, severity]]`.
    `fairness` are features over whose values error rates are compared.
    Without `bounds` the task's main metric may not drop by more than 0.02.
    `alerts_per_day` is the budget of the people who read the alerts, for `budget_precision`:
    the precision of that many highest scores a day. `intervals` is the number of bootstrap
    samples behind the 95 % intervals.
    """

    slices: tuple[tuple[str, ...], ...] = ()
    fairness: tuple[str, ...] = ()
    bounds: tuple[MetricBound, ...] = ()
    alerts_per_day: float | None = Field(default=None, gt=0)
    intervals: int = Field(default=200, ge=20, le=10_000)
