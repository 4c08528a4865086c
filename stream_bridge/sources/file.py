"""A complete file: read to its end, from where the last run stopped."""

from __future__ import annotations

import os
import time
from pathlib import Path

from stream_bridge.errors import SourceError
from stream_bridge.records import RawLine
from stream_bridge.sources.lines import Line, LineReader
from stream_bridge.state import Position
from stream_bridge.timestamps import now


def to_raw(lines: list[Line], source: str, place: str) -> list[RawLine]:
    """Lines of a file as the bridge's records; ``place:byte`` is each one's position."""
    read_at, arrived = time.monotonic(), now()
    return [
        RawLine(line.data, source, f"{place}:{line.start}", read_at, arrived, line.truncated)
        for line in lines
    ]


class FileReader:
    """Reads a complete file once; position: ``{"offset": byte}``."""

    def __init__(self, path: Path, max_line_bytes: int, position: Position | None):
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise SourceError(f"source {path}: {error.strerror}") from error
        self._name = str(path)
        self._size = os.fstat(self._file.fileno()).st_size
        offset = int(position["offset"]) if position else 0
        if offset > self._size:
            self._file.close()
            raise SourceError(
                f"source {path} is shorter than what was already read of it "
                f"({self._size} < {offset} bytes); use --from-start if it is another file"
            )
        self._lines = LineReader(self._file, offset, max_line_bytes)
        self.position: Position = {"offset": offset}
        self.done = offset == self._size

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` lines; never waits."""
        try:
            lines = self._lines.read(limit)
            if len(lines) < limit:
                rest = self._lines.rest()
                lines += [rest] if rest else []
                self.done = True
        except OSError as error:
            raise SourceError(f"source {self._name}: {error.strerror}") from error
        self.position = {"offset": self._lines.offset}
        return to_raw(lines, self._name, self._name)

    def backlog_bytes(self) -> int:
        """Bytes not yet read."""
        return max(0, self._size - self._lines.offset)

    def committed(self, position: Position) -> None:
        """Nothing to free."""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
