"""The truth, told late: labels are appended to their file when they become known."""

from __future__ import annotations

import heapq
import random
import time
from pathlib import Path

from .errors import TargetError
from .records import Label

_SPREAD = (0.5, 1.5)  # a label comes after this range of the delay


class LateLabels:
    """Holds back each label for about `delay` seconds, then appends it to the file as a JSON line.

    A label's `label_time` is the wall clock when it became known.
    """

    def __init__(self, path: str, delay: float, rng: random.Random):
        self._delay = delay
        self._rng = rng
        self._waiting: list[tuple[float, int, str, str, str | None]] = []
        self._count = 0
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = Path(path).open("a", buffering=1)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise TargetError(f"cannot write {path}: {error.strerror}") from error

    @property
    def next_due(self) -> float | None:
        """When the next label becomes known, by `time.monotonic()`; None when none waits."""
        return self._waiting[0][0] if self._waiting else None

    def expect(self, event_id: str, label: str, incident: str | None) -> None:
        """The event was sent just now; its label follows."""
        due = time.monotonic() + self._delay * self._rng.uniform(*_SPREAD)
        self._count += 1  # keeps the order where two are due at once
        heapq.heappush(self._waiting, (due, self._count, event_id, label, incident))

    def write_due(self, *, all_of_them: bool = False) -> None:
        """Append the labels that are known by now, or all that wait."""
        while self._waiting and (all_of_them or self._waiting[0][0] <= time.monotonic()):
            _, _, event_id, label, incident = heapq.heappop(self._waiting)
            self._file.write(Label(event_id, label, incident, time.time()).to_json() + "\n")

    def close(self) -> None:
        """Append what still waits and close the file, so that no event stays without its truth."""
        self.write_due(all_of_them=True)
        self._file.close()
