"""Dead letters as a source: their lines are read again, and which ones is written down.

Beside the file of dead letters, ``FILE.replayed`` gets one JSON line per letter that was sent
again: the byte it stands at, when, its id and its reason. A letter that stands there is not
selected a second time; one that fails again is a new dead letter, with the same event id. A mark
also names the letter's time, so that it says nothing of a new file with the same name.
"""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Any

import orjson

from stream_bridge.config.sources import DeadLettersSource
from stream_bridge.errors import SourceError
from stream_bridge.records import RawLine
from stream_bridge.sources.lines import LineReader
from stream_bridge.state import Position
from stream_bridge.timestamps import now, time_reader, to_iso

# A letter is larger than its line: base64, and the event beside it.
_LETTER_BYTES_PER_LINE_BYTE = 8
_from_iso = time_reader("iso", "UTC")


class DeadLettersReader:
    """Reads selected dead letters once; position: ``{"offset": byte}``."""

    def __init__(self, config: DeadLettersSource, max_line_bytes: int, position: Position | None):
        self._config = config
        path = config.path
        try:
            self._file = path.open("rb", buffering=0)
            # Opened before anything is written: both follow when the sink of the same name rolls.
            self._marks_file = marks_path(path).open("ab", buffering=0)
            self._marked = _marks(marks_path(path))
            # A crash may have left half a mark: it ends here, and says nothing.
            if self._marks_file.tell() and not marks_path(path).read_bytes().endswith(b"\n"):
                self._marks_file.write(b"\n")
        except OSError as error:
            raise SourceError(f"source {error.filename}: {error.strerror}") from error
        # What fails again is appended to this same file, and is not for this run.
        self._end = os.fstat(self._file.fileno()).st_size
        offset = int(position["offset"]) if position else 0
        limit = max_line_bytes * _LETTER_BYTES_PER_LINE_BYTE
        self._lines = LineReader(self._file, offset, limit)
        self._unmarked: list[tuple[int, dict[str, Any]]] = []
        self.position: Position = {"offset": offset}
        self.done = offset >= self._end

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` lines of selected letters; never waits."""
        raws: list[RawLine] = []
        while len(raws) < limit and not self.done:
            lines = self._lines.read(1)
            self.done = self._lines.offset >= self._end or not lines
            for line in lines:
                letter = _letter(line.data, self._config.path, line.start)
                marked = _mark(line.start, letter) in self._marked
                if not marked and self._config.selects(letter):
                    raws.append(_raw(letter))
                    self._unmarked.append((line.start, letter))
        self.position = {"offset": self._lines.offset}
        return raws

    def backlog_bytes(self) -> int:
        """Bytes of dead letters not yet looked at."""
        return max(0, self._end - self._lines.offset)

    def committed(self, position: Position) -> bool:
        """Writes down which letters were sent again."""
        done = [(at, letter) for at, letter in self._unmarked if at < position["offset"]]
        self._unmarked = self._unmarked[len(done) :]
        when = to_iso(now())
        marks = [
            {
                "letter": at,
                "replayed": when,
                "position": letter["position"],
                "stage": letter["stage"],
                "code": letter["code"],
                "last_time": letter["last_time"],
            }
            for at, letter in done
        ]
        self._marks_file.write(b"".join([orjson.dumps(mark) + b"\n" for mark in marks]))
        os.fsync(self._marks_file.fileno())
        return True

    def close(self) -> None:
        """Closes the files."""
        self._file.close()
        self._marks_file.close()


def marks_path(letters: Path) -> Path:
    """Where it is written down which letters of a file were sent again."""
    return letters.with_name(letters.name + ".replayed")


def _marks(path: Path) -> set[tuple[int, str, str]]:
    marked = set()
    for line in path.read_bytes().splitlines():
        try:
            mark = orjson.loads(line)
            marked.add(_mark(mark["letter"], mark))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            continue
    return marked


def _mark(at: int, letter: dict[str, Any]) -> tuple[int, str, str]:
    """What a letter and its mark have in common."""
    return at, letter["position"], letter["last_time"]


def _letter(data: bytes, path: Path, at: int) -> dict[str, Any]:
    try:
        letter = orjson.loads(data)
        letter["raw"], letter["position"], letter["stage"], letter["code"], letter["last_time"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise SourceError(f"source {path}: no dead letter at byte {at}") from error
    return letter


def _raw(letter: dict[str, Any]) -> RawLine:
    # Where the input has no time, the event happened when its line was first read.
    return RawLine(
        base64.b64decode(letter["raw"]),
        letter["source"],
        letter["position"],
        time.monotonic(),
        _from_iso(letter["first_time"]),
        letter["truncated"],
        letter.get("key"),
        letter.get("attributes") or {},
    )
