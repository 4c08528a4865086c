"""Complete files: read to their end, one after the other, from where the last run stopped."""

from __future__ import annotations

import gzip
import os
import time
import zlib
from glob import glob, has_magic
from pathlib import Path
from typing import Any

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
    """Reads complete files once; position: ``{"file": path, "offset": byte}``.

    A pattern (``logs/*.log.gz``) is read in the order of names, and a later run goes on with the
    names that come after. Bytes of a gzip file are counted as they are unpacked.
    """

    def __init__(self, path: Path, max_line_bytes: int, position: Position | None):
        self._pattern = str(path)
        self._max = max_line_bytes
        self._file: Any = None
        names = [self._pattern]
        if has_magic(self._pattern):
            names = sorted(glob(self._pattern))  # noqa: PTH207 - Path.glob wants a base
        if not names:
            raise SourceError(f"source {path}: no file matches")
        if position:
            names = [name for name in names if name >= position["file"]]
        self._names = names
        self.position: Position = position or {"file": names[0], "offset": 0}
        self.done = False
        if names:
            first = names[0] == self.position["file"]
            self._open(self.position["offset"] if first else 0)
            self._step_over_ends()
        else:
            self.done = True

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` lines; never waits."""
        if self.done:
            return []
        name = self._names[0]
        try:
            lines = self._lines.read(limit)
            ended = len(lines) < limit
            if ended and (rest := self._lines.rest()):
                lines.append(rest)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"source {name}: {_reason(error)}") from error
        self.position = {"file": name, "offset": self._lines.offset}
        if ended:
            self._next()
            self._step_over_ends()
        return to_raw(lines, name, name)

    def _open(self, offset: int) -> None:
        name = self._names[0]
        try:
            self._raw = Path(name).open("rb", buffering=0)  # noqa: SIM115 - closed in close()
            packed = name.endswith(".gz")
            self._file = gzip.GzipFile(fileobj=self._raw) if packed else self._raw
            self._size = os.fstat(self._raw.fileno()).st_size
            self._lines = LineReader(self._file, offset, self._max)
            there = self._file.tell() if packed else self._size
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"source {name}: {_reason(error)}") from error
        if offset > there:
            raise SourceError(
                f"source {name} is shorter than what was already read of it "
                f"({there} < {offset} bytes); use --from-start if it is another file"
            )

    def _next(self) -> None:
        self.close()
        self._names = self._names[1:]
        if self._names:
            self.position = {"file": self._names[0], "offset": 0}
            self._open(0)
        else:
            self.done = True

    def _step_over_ends(self) -> None:
        # So that `done` is known without another read, a plain file's size decides.
        while not self.done and self._file is self._raw and self._lines.offset == self._size:
            self._next()

    def backlog_bytes(self) -> int:
        """Bytes on disk not yet read."""
        if self.done:
            return 0
        later = sum(os.stat(name).st_size for name in self._names[1:])  # noqa: PTH116
        packed = self._file is not self._raw
        read = self._raw.tell() if packed else self._lines.offset
        return max(0, self._size - read) + later

    def committed(self, position: Position) -> bool:
        """Nothing to free."""
        return True

    def close(self) -> None:
        """Closes the file being read."""
        if self._file is not None:
            self._file.close()
            self._raw.close()
            self._file = None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
