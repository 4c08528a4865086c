"""A growing file, followed through rotation and truncation.

Guarantee: at least once for every line that ends with a newline. After a restart, the lines that
were left in a rotated file are read first, as long as that file is still in the same directory,
uncompressed, under a name that starts with the original one (``app.log.1``, ``app.log-20260105``).
Not guaranteed: lines of a file that was truncated, or deleted, before they were read.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from stream_bridge.errors import SourceError
from stream_bridge.records import RawLine
from stream_bridge.sources.file import to_raw
from stream_bridge.sources.lines import Line, LineReader
from stream_bridge.state import Position

_FINGERPRINT_BYTES = 256
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")


@dataclass
class _OpenFile:
    """The file being read; its beginning tells it from another one with the same inode."""

    lines: LineReader
    handle: int
    inode: int
    generation: int
    fingerprint: int = 0
    fingerprint_bytes: int = 0

    def take_fingerprint(self) -> None:
        if self.fingerprint_bytes < _FINGERPRINT_BYTES:
            head = os.pread(self.handle, min(_FINGERPRINT_BYTES, self.lines.offset), 0)
            self.fingerprint, self.fingerprint_bytes = zlib.crc32(head), len(head)

    def was_replaced(self) -> bool:
        """Truncated, or truncated and written anew, since it was last read."""
        if os.fstat(self.handle).st_size < self.lines.offset:
            return True
        return not _begins_with(self.handle, self.fingerprint_bytes, self.fingerprint)

    @property
    def position(self) -> Position:
        return {
            "inode": self.inode,
            "generation": self.generation,
            "offset": self.lines.offset,
            "fingerprint": self.fingerprint,
            "fingerprint_bytes": self.fingerprint_bytes,
        }


def _begins_with(handle: int, size: int, fingerprint: int) -> bool:
    head = os.pread(handle, size, 0)
    return len(head) == size and zlib.crc32(head) == fingerprint


class TailReader:
    """Reads a growing file as it grows.

    Event positions are ``path:byte``, and ``path#N:byte`` after N rotations or truncations, so
    that the same byte of two files is two events.
    """

    done = False

    def __init__(
        self,
        path: Path,
        max_line_bytes: int,
        position: Position | None,
        *,
        poll_seconds: float,
        from_end: bool,
        wake: threading.Event,
    ):
        self._path = path
        self._max = max_line_bytes
        self._poll = poll_seconds
        self._wake = wake
        self._file: _OpenFile | None = None
        self.position: Position = position or {}
        try:
            if position and "inode" in position:
                self._resume(position)
            elif position is None and from_end and path.exists():
                self._open(path, 0, path.stat().st_size)
        except OSError as error:
            raise SourceError(f"source {path}: {error.strerror}") from error

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` lines; waits for the first one."""
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                lines, place = self._read_now(limit)
            except OSError as error:
                raise SourceError(f"source {self._path}: {error.strerror}") from error
            if lines:
                return to_raw(lines, str(self._path), place)
            left = deadline - time.monotonic()
            if left <= 0 or self._wake.wait(min(self._poll, left)):
                return []

    def _read_now(self, limit: int) -> tuple[list[Line], str]:
        if self._file is None:
            if not self._path.exists():
                return [], ""
            # A first file may already be a later generation: its predecessor is gone.
            self._open(self._path, int(self.position.get("generation", -1)) + 1, 0)
        file = self._file
        assert file is not None  # noqa: S101 - just opened
        place = self._place(file.generation)
        if file.was_replaced():
            self._open_again(file)
            return [], place
        lines = file.lines.read(limit)
        if not lines and (successor := self._successor(file)):
            # Its writer has moved on, so this was the last look: a rest will get no newline.
            lines = file.lines.read(limit)
            rest = None if lines else file.lines.rest()
            if rest:
                lines = [rest]
            if not lines:
                self._open(successor, file.generation + 1, 0)
                return [], place
        if lines:
            file.take_fingerprint()
            self.position = file.position
        return lines, place

    def _place(self, generation: int) -> str:
        return f"{self._path}#{generation}" if generation else str(self._path)

    def _open(self, path: Path, generation: int, offset: int) -> None:
        handle = path.open("rb", buffering=0)
        if self._file is not None:
            self.close()
        inode = os.fstat(handle.fileno()).st_ino
        lines = LineReader(handle, offset, self._max)
        self._handle = handle
        self._file = _OpenFile(lines, handle.fileno(), inode, generation)
        self._file.take_fingerprint()
        self.position = self._file.position

    def _open_again(self, file: _OpenFile) -> None:
        # The same inode from its beginning; the handle stays, as the path may already be another.
        self._file = _OpenFile(
            LineReader(self._handle, 0, self._max), file.handle, file.inode, file.generation + 1
        )
        self.position = self._file.position

    def _resume(self, position: Position) -> None:
        for path in self._generations():
            if path.stat().st_ino != position["inode"]:
                continue
            handle = os.open(path, os.O_RDONLY)
            try:
                same = os.fstat(handle).st_size >= position["offset"] and _begins_with(
                    handle, position["fingerprint_bytes"], position["fingerprint"]
                )
            finally:
                os.close(handle)
            if same:
                self._open(path, position["generation"], position["offset"])
                return
        # Not there any more: the next file is another generation (see `_read_now`).

    def _generations(self) -> list[Path]:
        """The file and its rotated predecessors, oldest first."""
        rotated = [
            path
            for path in self._path.parent.glob(f"{escape(self._path.name)}[.-]*")
            if path.is_file() and path.suffix not in PACKED
        ]
        rotated.sort(key=lambda path: path.stat().st_mtime_ns)
        return [*rotated, self._path] if self._path.exists() else rotated

    def _successor(self, file: _OpenFile) -> Path | None:
        """The file that came after the one being read, or None while that is the current one."""
        if not self._path.exists() or self._path.stat().st_ino == file.inode:
            return None
        later = self._generations()
        inodes = [path.stat().st_ino for path in later]
        known = file.inode in inodes
        later = later[inodes.index(file.inode) + 1 :] if known else [self._path]
        # A rotated file is still written to until its writer opens the new one, so an empty new
        # one says nothing yet.
        return later[0] if any(path.stat().st_size for path in later) else None

    def backlog_bytes(self) -> int:
        """Bytes of the current file not yet read."""
        if self._file is None:
            return 0
        return max(0, os.fstat(self._file.handle).st_size - self._file.lines.offset)

    def committed(self, position: Position) -> bool:
        """Nothing to free."""
        return True

    def close_deleted(self) -> None:
        """Closes the file where it is read to its end and gone from the disk for good."""
        if self._file is not None and os.fstat(self._file.handle).st_nlink == 0:
            self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._handle.close()
            self._file = None
