"""All growing files of a directory, or of a pattern, each followed like one growing file.

A file that appears is read from its beginning. A rotated predecessor (``app.log.1`` beside
``app.log``) belongs to its file and is not one of its own, and packed files are left alone.
Guarantee: that of each file, see `stream_bridge.sources.tail`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from stream_bridge.errors import SourceError
from stream_bridge.records import RawLine
from stream_bridge.sources.tail import PACKED, TailReader
from stream_bridge.state import Position

_DISCOVER_SECONDS = 0.5


class TailManyReader:
    """Reads growing files in turn; position: path to each file's own position.

    Args:
      pattern: which files.
      max_line_bytes: the longest line.
      position: where to go on; None begins anew.
      poll_seconds: how often to look for new lines.
      from_end: of the files that are there at first only what is added is read.
      wake: once set, `read` no longer waits.
    """

    done = False

    def __init__(
        self,
        pattern: str,
        max_line_bytes: int,
        position: Position | None,
        *,
        poll_seconds: float,
        from_end: bool,
        wake: threading.Event,
    ):
        self._pattern = pattern
        self._max = max_line_bytes
        self._poll = poll_seconds
        self._wake = wake
        self.position: Position = position or {}
        self._turns: deque[str] = deque()
        self._files: dict[str, TailReader] = {}
        for name in self.position:
            self._follow(name, self.position[name])
        self._discover(from_end=from_end and position is None)

    def _discover(self, *, from_end: bool = False) -> None:
        self._looked = time.monotonic()
        try:
            there = [name for name in glob(self._pattern) if Path(name).is_file()]  # noqa: PTH207
        except OSError as error:
            raise SourceError(f"source {self._pattern}: {error.strerror}") from error
        for name in sorted(files_of(there, self._files)):
            self._follow(name, None, from_end=from_end)

    def _follow(self, name: str, position: Position | None, *, from_end: bool = False) -> None:
        self._files[name] = TailReader(
            Path(name),
            self._max,
            position,
            poll_seconds=self._poll,
            from_end=from_end,
            wake=self._wake,
        )
        self._turns.append(name)
        if from_end:
            # Where its end was is known now, not only when something has been added.
            self.position = {**self.position, name: self._files[name].position}

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` lines of the next file that has some; waits for the first one."""
        deadline = time.monotonic() + wait_seconds
        while True:
            for _ in range(len(self._turns)):
                name = self._turns[0]
                self._turns.rotate(-1)
                file = self._files[name]
                lines = file.read(limit, 0)
                if lines:
                    self.position = {**self.position, name: file.position}
                    return lines
                file.close_deleted()
            if time.monotonic() - self._looked > _DISCOVER_SECONDS:
                self._discover()
            left = deadline - time.monotonic()
            if left <= 0 or self._wake.wait(min(self._poll, left)):
                return []

    def backlog_bytes(self) -> int:
        """Bytes of all files not yet read."""
        return sum(file.backlog_bytes() for file in self._files.values())

    def committed(self, position: Position) -> bool:
        """Nothing to free."""
        return True

    def close(self) -> None:
        """Closes all files."""
        for file in self._files.values():
            file.close()


def files_of(there: Iterable[str], known: Iterable[str]) -> set[str]:
    """Those that are files of their own: neither known, nor packed, nor a predecessor of one."""
    there, known = set(there), set(known)
    bases = there | known

    def rotated(name: str) -> bool:
        ends = [i for i, letter in enumerate(name) if letter in ".-"]
        return any(name[:end] in bases for end in ends)

    return {name for name in there - known if Path(name).suffix not in PACKED and not rotated(name)}
