"""When a model is blessed, and what is shown of it."""

from __future__ import annotations

from pydantic import Field, model_validator

from tfx_pipeline.config.base import Frozen


class MetricBound(Frozen):
    """One condition of the blessing, on a metric as TFMA names it.

    `at_least` is the absolute bound; `may_drop` how much lower than the last blessed model's
    value it may be (both in the metric's own unit; the metric must be better when higher).
    """

    metric: str
    at_least: float | None = None
    may_drop: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _says_something(self) -> MetricBound:
        if self.at_least is None and self.may_drop is None:
            raise ValueError("give at_least, may_drop or both")
        return self


class EvaluationConfig(Frozen):
    """When a model is blessed, and the slices that are shown.

    `slices` are lists of feature names, for example `[[service], [service, severity]]`.
    Without `bounds` the task's main metric may not drop by more than 0.02.
    """

    slices: tuple[tuple[str, ...], ...] = ()
    bounds: tuple[MetricBound, ...] = ()
