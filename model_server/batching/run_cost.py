"""What a run of a graph costs, learned from the runs."""

from __future__ import annotations

_KEPT = 0.97  # weight of the past at each run: about the last 30 count
_ENOUGH_RUNS = 4.0
_ENOUGH_SPREAD = 0.01  # squared coefficient of variation of the sizes


class RunCost:
    """Fits seconds = fixed + each * size by least squares, older runs counting less and less.

    A text model pads every row of a batch to the longest, so `size` is rows times the longest. How
    much padding is worth one run less differs by orders of magnitude between a processor, where a
    run costs what its rows cost, and a GPU, where a larger batch is nearly free.
    """

    def __init__(self) -> None:
        self._first = True
        self._count = self._x = self._y = self._xx = self._xy = 0.0
        self._padding = float("inf")

    @property
    def padding(self) -> float:
        """Padding (in units of size) that costs as much as one more run; infinite until known."""
        return self._padding

    def observe(self, size: float, seconds: float) -> None:
        """Learn from a run. Safe from several threads: a lost update does no harm."""
        if self._first:  # TensorFlow optimises the graph in it
            self._first = False
            return
        self._count = self._count * _KEPT + 1
        self._x = self._x * _KEPT + size
        self._y = self._y * _KEPT + seconds
        self._xx = self._xx * _KEPT + size * size
        self._xy = self._xy * _KEPT + size * seconds
        spread = self._count * self._xx - self._x * self._x
        if self._count < _ENOUGH_RUNS or spread < _ENOUGH_SPREAD * self._x * self._x:
            return
        each = (self._count * self._xy - self._x * self._y) / spread
        fixed = (self._y - each * self._x) / self._count
        self._padding = max(fixed, 0.0) / each if each > 0 else float("inf")
