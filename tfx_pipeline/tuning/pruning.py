"""When a trial ends early: behind the others (the median rule of Golovin et al. 2017), or late."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from tfx_pipeline.training.watching import Watch

# Fewer say nothing about where the middle is.
_ENOUGH = 3


class TrialEndedError(Exception):
    """A trial that is not trained to its end."""


class BehindError(TrialEndedError):
    """Half of the earlier trials were better at the same point."""


class OutOfTimeError(TrialEndedError):
    """The budget is spent."""


class TrialWatch(Watch):
    """Watches one trial; `curve` is its figure after each epoch or fold so far.

    Args:
        others: the curves of the trials before it; none to end no trial early.
        deadline: in `time.monotonic` seconds; None for none.
    """

    def __init__(self, others: Sequence[Sequence[float]], deadline: float | None) -> None:
        self.curve: list[float] = []
        self._others = others
        self._deadline = deadline

    def batch(self) -> None:
        """End the trial once the budget is spent."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise OutOfTimeError

    def reached(self, value: float, step: int, steps: int) -> None:
        """End the trial if its best figure is below the median of the others' by this step."""
        self.curve.append(value)
        rivals = [max(curve[:step]) for curve in self._others if len(curve) >= step]
        if step == steps or len(rivals) < _ENOUGH:
            return
        if max(self.curve) < statistics.median(rivals):
            raise BehindError
