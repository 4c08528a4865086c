"""Which values the Tuner tries, and for how long."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from tfx_pipeline.config.base import Frozen

Choice = bool | int | float | str


class SearchConfig(Frozen):
    """The values of one key; give one of the four.

    `linear` and `integer` are the ends of a range that is drawn from evenly, `log` those of one
    whose orders of magnitude are. `choice` is a list of numbers, of names, or of true and false;
    a bare list is one too.
    """

    linear: tuple[float, float] | None = None
    log: tuple[float, float] | None = None
    integer: tuple[int, int] | None = None
    choice: tuple[Choice, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_a_choice(cls, given: Any) -> Any:
        return {"choice": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _one_of_them(self) -> SearchConfig:
        ranges = [ends for ends in (self.linear, self.log, self.integer) if ends is not None]
        if len(ranges) + bool(self.choice) != 1:
            raise ValueError("give one of linear, log, integer and choice")
        for low, high in ranges:
            if low >= high:
                raise ValueError(f"the range from {low:g} to {high:g} is empty")
        if self.log is not None and self.log[0] <= 0:
            raise ValueError("log: both ends are above 0")
        if len({_kind(value) for value in self.choice}) > 1:
            raise ValueError("choice: all numbers, all names, or true and false")
        return self

    @property
    def ends(self) -> tuple[Choice, ...]:
        """The values that must be right for all to be: the ends of a range, or every choice."""
        return self.linear or self.log or self.integer or self.choice


class TuningConfig(Frozen):
    """Which values of `training` the Tuner tries, and for how long.

    `parameters` are by key: `training.learning_rate: {log: [1.0e-5, 2.0e-4]}`. The first trial has
    the values of the config; the others are chosen by `algorithm`: `bayesian` (a Gaussian process
    over the trials so far) or `random`. There are at most `trials` of them; no one begins that
    would hardly end within `minutes`, and one that has not ended by then is left out. With `prune`
    a trial ends early once it is behind half of those before it at the same epoch or fold.
    The seed is that of `training`.
    """

    parameters: dict[str, SearchConfig] = Field(min_length=1)
    algorithm: Literal["bayesian", "random"] = "bayesian"
    trials: int = Field(default=20, ge=1)
    minutes: float = Field(default=60.0, gt=0)
    prune: bool = True


def _kind(value: Choice) -> type:
    return float if type(value) is int else type(value)
