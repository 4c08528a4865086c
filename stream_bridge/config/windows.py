"""What is summed up per key over windows of event time."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, field_validator, model_validator

from stream_bridge.config.base import Frozen


class WindowsConfig(Frozen):
    """Windows of event time, written by sinks with ``take: windows``.

    Attributes:
      length_seconds: how long a window is.
      every_seconds: a window begins every so often; None: where the one before ends.
      quantiles: of the scores, in whole percent: 0.5 is the median.
      out_of_order_seconds: the watermark is this far behind the latest event time.
      allowed_lateness_seconds: an event behind the watermark still joins its window that long
        after its end, and the window is written again; later ones are counted as too late.
      idle_seconds: when that long no event came, the watermark goes on with the clock.
    """

    length_seconds: PositiveFloat
    every_seconds: PositiveFloat | None = None
    quantiles: tuple[float, ...] = (0.5, 0.9, 0.99)
    out_of_order_seconds: float = Field(default=5.0, ge=0)
    allowed_lateness_seconds: float = Field(default=0.0, ge=0)
    idle_seconds: PositiveFloat = 30.0

    @field_validator("quantiles")
    @classmethod
    def _whole_percent(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        for each in quantiles:
            if not 0 <= each <= 1 or abs(each * 100 - round(each * 100)) > 1e-9:
                raise ValueError(f"{each} is no whole percent between 0 and 1")
        return quantiles

    @model_validator(mode="after")
    def _sliding_fits(self) -> WindowsConfig:
        if self.every_seconds is not None and self.every_seconds > self.length_seconds:
            raise ValueError("every_seconds over length_seconds would leave events out")
        return self
