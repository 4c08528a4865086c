"""Outcomes as rows of a table: one description for Parquet, PostgreSQL and BigQuery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from stream_bridge.config.routing import Take
from stream_bridge.records import Prediction

# What a value is: microseconds since the epoch are `time`, JSON is text that holds it.
Kind = Literal["text", "texts", "int", "float", "bool", "bytes", "json", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
      name: its name.
      kind: what its values are.
      get: a value of an outcome.
      required: never null.
    """

    name: str
    kind: Kind
    get: Callable[[Any], Any]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, and which of them tell two rows apart: an outcome that comes again has the same."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def row(self, outcome: Any) -> tuple[Any, ...]:
        """The values of an outcome, in the order of the columns."""
        return tuple([column.get(outcome) for column in self.columns])

    def latest(self, outcomes: list[Any]) -> list[tuple[Any, ...]]:
        """Rows of outcomes; of those with the same key only the last."""
        at = [i for i, column in enumerate(self.columns) if column.name in self.key]
        rows = {}
        for outcome in outcomes:
            row = self.row(outcome)
            rows[tuple(row[i] for i in at)] = row
        return list(rows.values())


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _label(prediction: Prediction) -> str | None:
    label = prediction.outputs.get("label")
    return label if isinstance(label, str) else None


_PREDICTIONS = Table(
    (
        Column("event_id", "text", lambda p: p.event.id),
        Column("event_time", "time", lambda p: p.event.time),
        Column("text", "text", lambda p: p.event.text),
        Column("key", "text", lambda p: p.event.key, required=False),
        Column("source", "text", lambda p: p.event.source),
        Column("attributes", "json", lambda p: _json(p.event.attributes)),
        Column("model", "text", lambda p: p.model),
        Column("version", "int", lambda p: p.version),
        Column("label", "text", _label, required=False),
        Column("score", "float", lambda p: _number(p.outputs.get("score")), required=False),
        Column("outputs", "json", lambda p: _json(p.outputs)),
        Column("alert", "bool", lambda p: p.alert),
        Column("suppressed", "bool", lambda p: p.suppressed),
        Column("rules", "texts", lambda p: list(p.rules)),
        Column("review", "texts", lambda p: list(p.review)),
        Column("shadow", "json", lambda p: _json(p.shadow.to_dict()) if p.shadow else None, False),
        Column("cached", "bool", lambda p: p.cached),
        Column("latency_ms", "float", lambda p: p.latency_ms),
    ),
    ("event_id",),
)

_DEAD_LETTERS = Table(
    (
        Column("position", "text", lambda d: d.raw.position),
        Column("source", "text", lambda d: d.raw.source),
        Column("raw", "bytes", lambda d: d.raw.data),
        Column("truncated", "bool", lambda d: d.raw.truncated),
        Column("event", "json", lambda d: _json(d.event.to_dict()) if d.event else None, False),
        Column("stage", "text", lambda d: d.stage),
        Column("code", "text", lambda d: d.code),
        Column("message", "text", lambda d: d.message),
        Column("attempts", "int", lambda d: d.attempts),
        Column("first_time", "time", lambda d: d.first),
        Column("last_time", "time", lambda d: d.last),
    ),
    ("position",),
)

_WINDOWS = Table(
    (
        Column("key", "text", lambda w: w.key),
        Column("window_start", "time", lambda w: w.start),
        Column("window_end", "time", lambda w: w.end),
        Column("events", "int", lambda w: w.events),
        Column("alerts", "int", lambda w: w.alerts),
        Column("alert_rate", "float", lambda w: w.alert_rate),
        Column("quantiles", "json", lambda w: _json(w.quantiles)),
        Column("late", "int", lambda w: w.late),
        Column("pane", "int", lambda w: w.pane),
    ),
    ("key", "window_start", "window_end"),
)


def table_of(take: Take) -> Table:
    """The table of what a sink takes."""
    if take == "dead_letters":
        return _DEAD_LETTERS
    return _WINDOWS if take == "windows" else _PREDICTIONS
