"""The spool: lines taken from sockets, on disk until they are scored.

A writer appends to the newest segment file; a reader follows, and removes segments that are
committed. They meet on disk only. A segment's name is the microsecond it was made in, so that a
number is never used twice and event ids (``spool/SEGMENT:byte``) stay unique.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from stream_bridge.errors import SourceError
from stream_bridge.records import RawLine
from stream_bridge.sources.file import to_raw
from stream_bridge.sources.lines import Line, LineReader
from stream_bridge.state import Position, sync_directory
from stream_bridge.timestamps import now

_POLL_SECONDS = 0.01
# Lines of a segment, the source and the segment's place to records.
Decode = Callable[[list[Line], str, str], list[RawLine]]


def segments(spool: Path) -> list[int]:
    """The numbers of the segments there are, oldest first."""
    return sorted(int(path.stem) for path in spool.glob("*.lines") if path.stem.isdigit())


def segment_path(spool: Path, segment: int) -> Path:
    """The file of a segment."""
    return spool / f"{segment:016d}.lines"


def place_in(segment: int) -> str:
    """How event ids name a segment."""
    return f"spool/{segment}"


class SpoolWriter:
    """Appends blocks of whole lines; each is on disk before `append` returns."""

    def __init__(self, spool: Path, max_bytes: int, segment_bytes: int):
        self._spool = spool
        self._max = max_bytes
        self._segment_bytes = min(segment_bytes, max(1, max_bytes // 2))
        spool.mkdir(parents=True, exist_ok=True)
        self._drop_torn_line()
        self._roll()

    def _drop_torn_line(self) -> None:
        # A crash in the middle of a write leaves half a line, whose rest was never received.
        for segment in segments(self._spool)[-1:]:
            path = segment_path(self._spool, segment)
            whole = path.read_bytes().rfind(b"\n") + 1
            os.truncate(path, whole)

    def _roll(self) -> None:
        newest = max(segments(self._spool), default=0)
        self._segment = max(now(), newest + 1)
        self._file = segment_path(self._spool, self._segment).open("xb", buffering=0)
        sync_directory(self._spool)
        self._size = 0

    def full(self) -> bool:
        """No more may be appended until the reader has freed a segment."""
        used = 0
        for segment in segments(self._spool):
            try:
                used += segment_path(self._spool, segment).stat().st_size
            except FileNotFoundError:
                continue  # the reader has just removed it
        if used < self._max:
            return False
        if self._size:
            # The reader can only free a segment that has a successor.
            self._file.close()
            self._roll()
        return True

    def append(self, block: bytes) -> tuple[int, int]:
        """Makes whole lines durable; raises OSError, with nothing appended, where it cannot.

        Returns the segment they are in, and the byte they begin at.
        """
        place = self._segment, self._size
        try:
            written = 0
            while written < len(block):
                written += self._file.write(block[written:])
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._size)
            self._file.seek(self._size)
            raise
        self._size += len(block)
        if self._size >= self._segment_bytes:
            self._file.close()
            self._roll()
        return place

    def close(self) -> None:
        """Closes the newest segment."""
        self._file.close()


class SpoolReader:
    """Reads the spool; position: ``{"segment": number, "offset": byte}``.

    With ``ended``, the spool is finished when that is set and all of it is read. ``decode`` makes
    records of its lines.
    """

    def __init__(
        self,
        spool: Path,
        source: str,
        max_line_bytes: int,
        position: Position | None,
        *,
        wake: threading.Event,
        ended: threading.Event | None = None,
        decode: Decode = to_raw,
    ):
        self._spool = spool
        self._source = source
        self._max = max_line_bytes
        self._wake = wake
        self._ended = ended
        self._decode = decode
        self.done = False
        self._segment = 0
        self._lines: LineReader | None = None
        self.position: Position = position or {"segment": 0, "offset": 0}

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` lines; waits for the first one."""
        deadline = time.monotonic() + wait_seconds
        while True:
            ended = self._ended is not None and self._ended.is_set() and not self._later()
            try:
                raws = self._read_now(limit)
            except OSError as error:
                raise SourceError(f"spool {self._spool}: {error.strerror}") from error
            # The order matters: what was appended before `ended` was set is seen by this look.
            if not raws and ended:
                self.done = True
                return []
            left = deadline - time.monotonic()
            if raws or left <= 0 or self._wake.wait(min(_POLL_SECONDS, left)):
                return raws

    def _read_now(self, limit: int) -> list[RawLine]:
        if self._lines is None and not self._open(self.position["segment"]):
            return []
        assert self._lines is not None  # noqa: S101 - just opened
        lines = self._lines.read(limit)
        if not lines and self._later():
            # The writer has left this segment: after one more look it is finished.
            lines = self._lines.read(limit)
            if not lines:
                self._open(self._segment + 1)
                return []
        self.position = {"segment": self._segment, "offset": self._lines.offset}
        return self._decode(lines, self._source, place_in(self._segment))

    def _later(self) -> bool:
        return any(number > self._segment for number in segments(self._spool))

    def _open(self, at_least: int) -> bool:
        later = [number for number in segments(self._spool) if number >= at_least]
        if not later:
            return False
        self.close()
        offset = self.position["offset"] if later[0] == self.position["segment"] else 0
        self._segment = later[0]
        self._file = segment_path(self._spool, self._segment).open("rb", buffering=0)
        self._lines = LineReader(self._file, offset, self._max)
        self.position = {"segment": self._segment, "offset": offset}
        return True

    def backlog_bytes(self) -> int:
        """Bytes in the spool not yet read."""
        total = 0
        for number in segments(self._spool):
            if number >= self.position["segment"]:
                total += segment_path(self._spool, number).stat().st_size
        return max(0, total - int(self.position["offset"]))

    def committed(self, position: Position) -> bool:
        """Removes the segments before the position."""
        for number in segments(self._spool):
            if number < position["segment"]:
                segment_path(self._spool, number).unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Closes the segment being read."""
        if self._lines is not None:
            self._file.close()
            self._lines = None
