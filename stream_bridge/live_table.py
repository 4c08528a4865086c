"""The live table that `stream-bridge run` shows on a terminal."""

from __future__ import annotations

from typing import Any

from rich import filesize
from rich.console import Group
from rich.table import Table


def render(status: dict[str, Any]) -> Group:
    """One status (see `stream_bridge.status`) as two tables, for a terminal of 80 columns."""
    stages, version = status["stages_ms"], status["last_version"]
    state = f"waits: {status['waiting_for']}" if status["waiting_for"] else status["state"]
    counts = ("in", "out", "alerts", "dead", "review", "waiting")
    return Group(
        f"{status['source']} → {status['model']}: {state}",
        _table({**{name: f"{status[name]:,}" for name in counts}, "lag": _lag(status)}),
        _table(
            {
                "events/s": f"{status['events_per_second']:,.0f}",
                "cached": _share(status["cache"]),
                "p50/p99 ms": _pair(status["latency_ms"]),
                "score": _pair(stages["score"]),
                "write": _pair(stages["write"]),
                "version": "-" if version is None else str(version),
            }
        ),
    )


def _table(values: dict[str, str]) -> Table:
    table = Table()
    for name in values:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(*values.values())
    return table


def _share(cache: dict[str, int] | None) -> str:
    asked = cache["hits"] + cache["misses"] if cache else 0
    return f"{cache['hits'] / asked:.0%}" if cache and asked else "-"


def _lag(status: dict[str, Any]) -> str:
    """What the source holds and was not read: messages, or bytes where those are all it knows."""
    if status["backlog_events"] is not None:
        return f"{status['backlog_events']:,}"
    return f"{filesize.decimal(status['backlog_bytes'])}"


def _pair(found: dict[str, float | None]) -> str:
    return f"{_milliseconds(found['p50'])}/{_milliseconds(found['p99'])}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
