"""The live table that `stream-bridge run` shows on a terminal."""

from __future__ import annotations

from typing import Any

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
        "cached",
        "events/s",
        "p50 ms",
        "p99 ms",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("version", justify="right")
    table.add_column("state", min_width=12)
    latency = status["latency_ms"]
    state = status["state"]
    if status["waiting_for"]:
        state = f"waits: {status['waiting_for']}"
    table.add_row(
        *(f"{status[key]:,}" for key in ("in", "out", "alerts", "dead", "review", "waiting")),
        _share(status["cache"]),
        f"{status['events_per_second']:,.0f}",
        _milliseconds(latency["p50"]),
        _milliseconds(latency["p99"]),
        str(status["last_version"] if status["last_version"] is not None else "-"),
        state,
    )
    return table


def _share(cache: dict[str, int] | None) -> str:
    asked = cache["hits"] + cache["misses"] if cache else 0
    return f"{cache['hits'] / asked:.0%}" if cache and asked else "-"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
