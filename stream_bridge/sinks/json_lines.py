"""JSON lines in a file: appended, and on disk before the position moves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from stream_bridge.errors import SinkError
from stream_bridge.state import sync_directory

_TAIL_BYTES = 64 << 10


class JsonLinesWriter:
    """Appends lines to a file.

    A write that fails half-way (the disk is full) is taken back before it is tried again, and
    half a line that a crash left at the end is removed on opening: the file only ever holds whole
    lines where a reader looks after a commit.
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
            # Two writers would cut off each other's lines when a write fails.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = _end_of_whole_lines(path)
            self._file.truncate(self._size)
            sync_directory(path.parent)
        except BlockingIOError as error:
            raise SinkError(f"sink {path} is being written by another bridge") from error
        except OSError as error:
            raise SinkError(f"sink {path}: {error.strerror}") from error

    def write(self, lines: Iterable[bytes]) -> None:
        """Appends lines and waits until they are on disk; all of them, or none and SinkError."""
        block = b"".join([line + b"\n" for line in lines])
        if not block:
            return
        try:
            done = 0
            while done < len(block):
                done += self._file.write(block[done:])
            os.fsync(self._file.fileno())
        except OSError as error:
            # Freeing space works on a full disk, so this does not fail for the same reason.
            self._file.truncate(self._size)
            raise SinkError(f"sink {self._path}: {error.strerror}") from error
        self._size += len(block)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _end_of_whole_lines(path: Path) -> int:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _TAIL_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0
