"""What the source and the sinks in memory of one process hold, by address. For tests only.

Nothing is durable here: it is gone with the process.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stream_bridge.records import RawLine, Written
from stream_bridge.state import Position
from stream_bridge.timestamps import now


class Sent(NamedTuple):
    """What arrived: the bytes, when (microseconds since the epoch), and what a broker adds."""

    data: bytes
    arrived: int
    key: str | None
    attributes: Mapping[str, str]


SENT: defaultdict[str, list[Sent]] = defaultdict(list)
TAKEN: defaultdict[str, list[bytes]] = defaultdict(list)


def send(
    address: str, line: bytes, key: str | None = None, attributes: Mapping[str, str] | None = None
) -> None:
    """A line arrives now."""
    SENT[address].append(Sent(line, now(), key, attributes or {}))


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
        for sent in SENT[self._address][self._at : self._at + limit]:
            raws.append(
                RawLine(
                    sent.data[: self._max],
                    self._name,
                    f"{self._name}:{self._at}",
                    time.monotonic(),
                    sent.arrived,
                    len(sent.data) > self._max,
                    sent.key,
                    sent.attributes,
                )
            )
            self._at += 1
        self.done = self._at >= len(SENT[self._address])
        return raws

    def backlog_bytes(self) -> int:
        """Bytes that were sent and not read."""
        return sum(len(sent.data) for sent in SENT[self._address][self._at :])

    def committed(self, position: Position) -> bool:
        """Nothing is freed: a test may read it again."""
        return True

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
