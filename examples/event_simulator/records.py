"""What the simulator writes: events, their labels, and the two text forms of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone

NORMAL = "normal"
ANOMALY = "anomaly"

TEXT_HEADER = "<Time> <Node> <Component> <Level> <Content>"
"""Header format (as logparser writes it) of an event's plain text form."""

LABELLED_TEXT_HEADER = f"<Label> {TEXT_HEADER}"
"""The same for labelled history: `-` for a normal line, else the kind of incident."""


@dataclass(frozen=True)
class Event:
    """One log line of one service, with the truth about it.

    `time` is in seconds since the epoch; `incident` is the kind of incident that raised the
    line, None for a normal line.
    """

    id: str
    time: float
    service: str
    host: str
    severity: str
    message: str
    incident: str | None

    @property
    def label(self) -> str:
        """`normal` or `anomaly`."""
        return NORMAL if self.incident is None else ANOMALY

    def to_json(self, *, labelled: bool = False) -> str:
        """The event as one JSON line without its line end; the truth only when `labelled`."""
        row = {
            "event_id": self.id,
            "event_time": iso(self.time),
            "service": self.service,
            "host": self.host,
            "severity": self.severity,
            "message": self.message,
        }
        if labelled:
            row |= {"label": self.label, "incident": self.incident}
        return json.dumps(row)

    def to_text(self, *, labelled: bool = False) -> str:
        """The event as a plain log line: TEXT_HEADER, or LABELLED_TEXT_HEADER when `labelled`."""
        line = f"{iso(self.time)} {self.host} {self.service} {self.severity} {self.message}"
        return f"{self.incident or '-'} {line}" if labelled else line


@dataclass(frozen=True)
class Label:
    """The truth about one event, known at `time` (seconds since the epoch)."""

    event_id: str
    label: str
    incident: str | None
    time: float

    def to_json(self) -> str:
        """The label as one JSON line without its line end."""
        return json.dumps(
            {
                "event_id": self.event_id,
                "label": self.label,
                "incident": self.incident,
                "label_time": iso(self.time),
            }
        )


def iso(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC with microseconds and a `Z`."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
