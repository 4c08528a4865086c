"""Lines of a file, with the byte each one starts at, in bounded memory."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

_CHUNK = 256 << 10


class Line(NamedTuple):
    """One line of a file.

    Attributes:
      data: its bytes without the line ending.
      start: the byte it starts at.
      end: the byte the next one starts at.
      truncated: it was longer than the limit, and only its beginning is here.
    """

    data: bytes
    start: int
    end: int
    truncated: bool


class LineReader:
    """Reads whole lines from an open file, from an offset on.

    A line without an end is not returned by `read`: its writer may not have finished it. Lines
    longer than ``max_bytes`` are returned cut; what is beyond the limit is never held in memory.
    """

    def __init__(self, file: BinaryIO, offset: int, max_bytes: int):
        file.seek(offset)
        self._file = file
        self._max = max_bytes
        self._buffer = b""
        self._cut = 0  # where the current line starts in the buffer
        self._scanned = 0  # no line ending stands in the buffer before here
        self._dropped = 0  # bytes of the current line that were beyond the limit
        self.offset = offset

    def read(self, limit: int) -> list[Line]:
        """Up to ``limit`` whole lines that are there now; empty when there are none."""
        lines: list[Line] = []
        while len(lines) < limit:
            end = self._buffer.find(b"\n", self._scanned)
            if end >= 0:
                lines.append(self._take(end, 1))
            elif not self._fill():
                break
        return lines

    def rest(self) -> Line | None:
        """The last line, where it has no end."""
        if self._cut == len(self._buffer) and not self._dropped:
            return None
        return self._take(len(self._buffer), 0)

    def _take(self, end: int, newline: int) -> Line:
        data, start = self._buffer[self._cut : end], self.offset
        self.offset += len(data) + self._dropped + newline
        truncated = self._dropped > 0 or len(data) > self._max
        if truncated:
            data = data[: self._max]
        elif data.endswith(b"\r"):
            data = data[:-1]
        self._dropped = 0
        self._cut = self._scanned = end + newline
        return Line(data, start, self.offset, truncated)

    def _fill(self) -> bool:
        chunk = self._file.read(_CHUNK)
        if not chunk:
            return False
        line = self._buffer[self._cut :]
        kept = line[: self._max]
        self._dropped += len(line) - len(kept)
        self._buffer, self._cut, self._scanned = kept + chunk, 0, len(kept)
        return True
