"""The learning rate: linear warm-up, then linear decay to zero (Devlin et al. 2019)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rise to `peak` over the first `warmup` share of `steps`, fall to 0 at the last."""

    def __init__(self, peak: float, steps: int, warmup: float) -> None:
        self.peak = peak
        self.steps = steps
        self.warmup = warmup

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step, counted from 0."""
        step = ops.cast(step, "float32") + 1.0
        rising = max(1.0, self.steps * self.warmup)
        falling = max(1.0, self.steps - rising)
        left = ops.maximum(0.0, (self.steps + 1.0 - step) / falling)
        return self.peak * ops.minimum(step / rising, ops.minimum(left, 1.0))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup}
