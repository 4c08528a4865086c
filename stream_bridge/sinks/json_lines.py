"""JSON lines in a file: appended, and on disk before the position moves; rolled by size or age."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path

from stream_bridge.config.sinks import JsonLinesSink
from stream_bridge.errors import SinkError
from stream_bridge.records import Written
from stream_bridge.sources.dead_letters import marks_path
from stream_bridge.state import sync_directory
from stream_bridge.timestamps import now, to_iso

_TAIL_BYTES = 64 << 10


class JsonLinesWriter:
    """Appends lines to a file.

    A write that fails half-way (the disk is full) is taken back before it is tried again, and
    half a line that a crash left at the end is removed on opening: the file only ever holds whole
    lines where a reader looks after a commit. A full (or old) file gets the time into its name, in
    one rename; it is never written again.
    """

    def __init__(self, config: JsonLinesSink):
        self._config = config
        self._path = config.path
        self._open()

    def _open(self) -> None:
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
            # Two writers would cut off each other's lines when a write fails.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = _end_of_whole_lines(path)
            self._file.truncate(self._size)
            sync_directory(path.parent)
            # A file that an earlier run began is as old as its last line, as near as can be told.
            self._began = time.time() if self._size == 0 else path.stat().st_mtime
        except BlockingIOError as error:
            raise SinkError(f"sink {path} is being written by another bridge") from error
        except OSError as error:
            raise SinkError(f"sink {path}: {error.strerror}") from error

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Appends texts and waits until they are on disk; all of them, or none and SinkError."""
        self._roll()
        block = b"".join([text + b"\n" for text in texts])
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

    def _roll(self) -> None:
        most, oldest = self._config.roll_bytes, self._config.roll_seconds
        full = most is not None and self._size >= most
        old = oldest is not None and time.time() - self._began >= oldest
        if self._size == 0 or not (full or old):
            return
        stamp = to_iso(now()).replace("-", "").replace(":", "")
        rolled = self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")
        replayed = marks_path(self._path)
        try:
            self._path.rename(rolled)
            if replayed.exists():
                # What `replay` wrote down of these letters goes with them.
                replayed.rename(marks_path(rolled))
            sync_directory(self._path.parent)
        except OSError as error:
            raise SinkError(f"sink {self._path}: {error.strerror}") from error
        self._file.close()
        self._open()

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
