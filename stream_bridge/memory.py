"""What the source and the sinks in memory of one process hold, by address. For tests only.

Nothing is durable here: it is gone with the process.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from stream_bridge.records import RawLine, Written
from stream_bridge.state import Position
from stream_bridge.timestamps import now

SENT: defaultdict[str, list[tuple[bytes, int]]] = defaultdict(list)
TAKEN: defaultdict[str, list[bytes]] = defaultdict(list)


def send(address: str, line: bytes) -> None:
    """A line arrives now."""
    SENT[address].append((line, now()))


class MemoryReader:
    """Reads what was sent; position: ``{"line": number}``; ids: ``NAME:NUMBER``."""

    def __init__(self, address: str, max_line_bytes: int, position: Position | None):
        self._address = address
        self._name = address.partition(":")[2]
        self._max = max_line_bytes
        self._at = int(position["line"]) if position else 0
        self.done = self._at >= len(SENT[address])

    @property
    def position(self) -> Position:
        """The next line."""
        return {"line": self._at}

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` lines; never waits."""
        raws = []
        for data, arrived in SENT[self._address][self._at : self._at + limit]:
            raws.append(
                RawLine(
                    data[: self._max],
                    self._name,
                    f"{self._name}:{self._at}",
                    time.monotonic(),
                    arrived,
                    truncated=len(data) > self._max,
                )
            )
            self._at += 1
        self.done = self._at >= len(SENT[self._address])
        return raws

    def backlog_bytes(self) -> int:
        """Bytes that were sent and not read."""
        return sum(len(data) for data, _ in SENT[self._address][self._at :])

    def committed(self, position: Position) -> None:
        """Nothing is freed: a test may read it again."""

    def close(self) -> None:
        """Nothing is open."""


class MemoryWriter:
    """Keeps the JSON of outcomes."""

    def __init__(self, address: str):
        self._taken = TAKEN[address]

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Always takes them."""
        self._taken += texts

    def close(self) -> None:
        """Nothing is open."""
