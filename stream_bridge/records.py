"""The values that flow through the bridge, and their canonical text form (JSON lines).

::

    RawLine ──parse──> Event ──score──> Prediction        written as JSON lines,
       │                 ├─────────────> Dropped          schema in docs/events.md
       └──────────────── DeadLetter <──────┘

All are immutable; those that every event makes are named tuples, which cost a fifth of a frozen
dataclass. Times are microseconds since the epoch (int) in memory and ISO 8601 in UTC in JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from stream_bridge.timestamps import to_iso


def _json(fields: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError:
        # Keys that are no strings, from a parser of the user's own: allowing them always is slow.
        return orjson.dumps(fields, option=orjson.OPT_NON_STR_KEYS)


_NO_ATTRIBUTES: Mapping[str, str] = {}


class RawLine(NamedTuple):
    """One line as the source gave it.

    Attributes:
      data: the bytes, without the line ending; cut at the limit when ``truncated``.
      source: where it came from, for instance a path.
      position: its place there, for instance ``path:byte``; the event id where the input has none.
      read_at: ``time.monotonic()`` when it was read.
      arrived: microseconds since the epoch when it was read, or the broker's own time of it; the
        event time where the input has none.
      truncated: the line was longer than ``limits.max_line_bytes``.
      key: the broker's key, as text; the event key where the config names none.
      attributes: what the broker carried beside the bytes (headers); travels with the event.
    """

    data: bytes
    source: str
    position: str
    read_at: float
    arrived: int
    truncated: bool = False
    key: str | None = None
    attributes: Mapping[str, str] = _NO_ATTRIBUTES


class Event(NamedTuple):
    """A parsed event: what the model sees (``text``) and what travels with it.

    Attributes:
      id: from the input, else the source position; the same after a replay.
      time: event time, microseconds since the epoch.
      text: the model's input, built from the fields by the config's template.
      key: what the event belongs to (a host, a customer), or None.
      source: where it came from.
      attributes: the fields the config asks to keep.
      raw: the line as it was read.
    """

    id: str
    time: int
    text: str
    key: str | None
    source: str
    attributes: dict[str, Any]
    raw: RawLine

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of docs/events.md, without the raw bytes."""
        return {
            "event_id": self.id,
            "event_time": to_iso(self.time),
            "text": self.text,
            "key": self.key,
            "source": self.source,
            "attributes": self.attributes,
        }


@dataclass(frozen=True, slots=True)
class ShadowSaid:
    """What the shadow model said of the same text.

    Attributes:
      model: its name.
      version: the version that answered.
      label: its label; None where it has none.
      score: its score; None where it has none.
      alert: it calls the event an alert.
      disagrees: it has another label, or is on the other side of the threshold.
    """

    model: str
    version: int
    label: str | None
    score: float | None
    alert: bool
    disagrees: bool

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of docs/events.md."""
        return {
            "model": self.model,
            "version": self.version,
            "label": self.label,
            "score": self.score,
            "alert": self.alert,
            "disagrees": self.disagrees,
        }


class Prediction(NamedTuple):
    """What a model said about one event.

    Attributes:
      event: the event that was scored.
      model: the model's name.
      version: the version that answered.
      outputs: output name to plain value (str, float, int, list) of this event's row.
      alert: the model, the config's threshold or a rule calls this event an anomaly.
      latency_ms: from reading the line to having the answer, milliseconds.
      cached: the outputs came from the cache, not from a call.
      suppressed: an alert that only repeats an earlier one of its key; no sink takes it as one.
      rules: names of the rules that held.
      review: why a person should look: ``uncertain``, ``rule:NAME``, ``shadow``.
      shadow: what the shadow model said, if it was asked.
    """

    event: Event
    model: str
    version: int
    outputs: dict[str, Any]
    alert: bool
    latency_ms: float
    cached: bool = False
    suppressed: bool = False
    rules: tuple[str, ...] = ()
    review: tuple[str, ...] = ()
    shadow: ShadowSaid | None = None

    @property
    def name(self) -> str:
        """What it is found again by: the event id."""
        return self.event.id

    def to_json(self) -> bytes:
        """One line of JSON, without the line ending."""
        return _json(
            {
                **self.event.to_dict(),
                "model": self.model,
                "version": self.version,
                "outputs": self.outputs,
                "alert": self.alert,
                "suppressed": self.suppressed,
                "rules": self.rules,
                "review": self.review,
                "shadow": self.shadow.to_dict() if self.shadow else None,
                "cached": self.cached,
                "latency_ms": round(self.latency_ms, 3),
            }
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A line that could not become a prediction, with its bytes and the reason.

    Attributes:
      raw: the line as it was read.
      event: the event, if it was parsed.
      stage: ``parse``, ``validate``, ``score`` or ``write``.
      code: machine-readable reason: a gRPC code, or one of the parser's.
      message: the reason in words.
      attempts: how often it was tried.
      first: microseconds since the epoch of the first attempt.
      last: microseconds since the epoch of the last attempt.
    """

    raw: RawLine
    event: Event | None
    stage: str
    code: str
    message: str
    attempts: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """What it is found again by: the place of the line in its source."""
        return self.raw.position

    def to_json(self) -> bytes:
        """One line of JSON, without the line ending; ``raw`` is base64."""
        return _json(
            {
                "raw": base64.b64encode(self.raw.data).decode(),
                "truncated": self.raw.truncated,
                "source": self.raw.source,
                "position": self.raw.position,
                "key": self.raw.key,
                "attributes": dict(self.raw.attributes),
                "event": self.event.to_dict() if self.event else None,
                "stage": self.stage,
                "code": self.code,
                "message": self.message,
                "attempts": self.attempts,
                "first_time": to_iso(self.first),
                "last_time": to_iso(self.last),
            }
        )


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that holds no event (it is blank); counted, never written."""

    raw: RawLine
    reason: str = field(default="blank")


@dataclass(frozen=True, slots=True)
class Dropped:
    """An event that a rule dropped before the model was asked; counted, never written."""

    event: Event
    rule: str


@dataclass(frozen=True, slots=True)
class WindowSummary:
    """What happened to one key in one window of event time.

    Attributes:
      key: the events' key; empty for those that have none.
      start: microseconds since the epoch.
      end: the same; the window does not hold it.
      events: predictions in it.
      alerts: of them, how many are alerts (repeated ones too).
      quantiles: of the scores, such as ``{"p50": 0.1, "p99": 0.9}``; empty without scores.
      late: of the events, how many came behind the watermark, and still in time.
      pane: 0 is the first time it is written; a higher one replaces the one before.
    """

    key: str
    start: int
    end: int
    events: int
    alerts: int
    quantiles: dict[str, float]
    late: int
    pane: int

    @property
    def alert_rate(self) -> float:
        """Alerts per event."""
        return self.alerts / self.events if self.events else 0.0

    @property
    def name(self) -> str:
        """What it is found again by."""
        return f"{self.key}@{to_iso(self.start)}"

    def to_json(self) -> bytes:
        """One line of JSON, without the line ending."""
        return orjson.dumps(
            {
                "key": self.key,
                "window_start": to_iso(self.start),
                "window_end": to_iso(self.end),
                "events": self.events,
                "alerts": self.alerts,
                "alert_rate": self.alert_rate,
                "quantiles": self.quantiles,
                "late": self.late,
                "pane": self.pane,
            }
        )


Outcome = Prediction | DeadLetter | Skipped | Dropped
Written = Prediction | DeadLetter | WindowSummary


def text_of(outcome: Outcome) -> bytes | None:
    """One line of JSON, without the line ending; None for what is only counted."""
    return outcome.to_json() if isinstance(outcome, Prediction | DeadLetter) else None


def key_of(outcome: Written) -> str | None:
    """What an outcome belongs to; None where it has no key."""
    if isinstance(outcome, WindowSummary):
        return outcome.key
    if isinstance(outcome, DeadLetter) and outcome.event is None:
        return outcome.raw.key
    return None if outcome.event is None else outcome.event.key
