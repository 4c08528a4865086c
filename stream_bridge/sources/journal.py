"""Messages in the spool: what a line cannot hold, such as line endings, a topic or a time.

Each message is one line of JSON: ``data`` (the bytes, as Latin-1), ``at`` (microseconds since the
epoch when it arrived) and, where it has them, ``key``, ``attributes``, ``cut`` (it was longer than
the limit) and ``position`` (its id, where it is not its place in the spool: it came again).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson

from stream_bridge.records import RawLine
from stream_bridge.sources.lines import Line
from stream_bridge.timestamps import now

# A byte becomes up to six: \u001b.
_JSON_BYTES_PER_BYTE = 6
_BYTES_BESIDE = 1 << 20


def journal_line_bytes(max_line_bytes: int) -> int:
    """How long a line of the journal may be for messages of that length."""
    return max_line_bytes * _JSON_BYTES_PER_BYTE + _BYTES_BESIDE


def journaled(
    data: bytes,
    max_bytes: int,
    *,
    cut: bool = False,
    at: int | None = None,
    key: str | None = None,
    attributes: Mapping[str, str] | None = None,
    position: str | None = None,
    **beside: Any,
) -> bytes:
    """A message as a line of the journal, its ending included.

    Args:
      data: its bytes.
      max_bytes: what is kept of them.
      cut: some are missing already.
      at: microseconds since the epoch; None is now.
      key: the event's key.
      attributes: what travels with it.
      position: its id; None is its place.
      beside: what the source itself wants to find there again.
    """
    record: dict[str, Any] = {
        "data": data[:max_bytes].decode("latin-1"),
        "at": now() if at is None else at,
        **beside,
    }
    if key is not None:
        record["key"] = key
    if attributes:
        record["attributes"] = attributes
    if position is not None:
        record["position"] = position
    if cut or len(data) > max_bytes:
        record["cut"] = True
    return orjson.dumps(record) + b"\n"


def to_raw_messages(lines: list[Line], source: str, place: str) -> list[RawLine]:
    """Lines of the journal as the bridge's records; ``place:byte`` is each one's position."""
    read_at = time.monotonic()
    return [_to_raw(line, source, f"{place}:{line.start}", read_at) for line in lines]


def _to_raw(line: Line, source: str, position: str, read_at: float) -> RawLine:
    if line.truncated:
        return RawLine(line.data, source, position, read_at, now(), truncated=True)
    record = orjson.loads(line.data)
    return RawLine(
        record["data"].encode("latin-1"),
        source,
        record.get("position", position),
        read_at,
        record["at"],
        record.get("cut", False),
        record.get("key"),
        record.get("attributes", {}),
    )
