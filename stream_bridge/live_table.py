"""The live table that `stream-bridge run` shows on a terminal."""

from __future__ import annotations

from typing import Any

from rich import filesize
from rich.table import Table


def render(status: dict[str, Any]) -> Table:
    """One status (see `stream_bridge.status`) as a table."""
    table = Table(title=f"{status['source']} → {status['model']}", title_justify="left")
    for name in (
        "in",
        "out",
        "alerts",
        "dead",
        "review",
        "waiting",
        "lag",
        "cached",
        "events/s",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("p50/p99 ms", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("write", justify="right", no_wrap=True)
    table.add_column("version", justify="right")
    table.add_column("state", min_width=12)
    stages = status["stages_ms"]
    state = status["state"]
    if status["waiting_for"]:
        state = f"waits: {status['waiting_for']}"
    table.add_row(
        *(f"{status[key]:,}" for key in ("in", "out", "alerts", "dead", "review", "waiting")),
        _lag(status),
        _share(status["cache"]),
        f"{status['events_per_second']:,.0f}",
        *(_pair(of) for of in (status["latency_ms"], stages["score"], stages["write"])),
        str(status["last_version"] if status["last_version"] is not None else "-"),
        state,
    )
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
