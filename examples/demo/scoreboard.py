"""Predictions against the truth, as both arrive."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .growing import GrowingLines, GrowingRows

RECENT_SECONDS = 10.0


@dataclass(frozen=True)
class Judged:
    """Alerts against the truth, over the events whose label is known."""

    hits: int
    false_alarms: int
    missed: int

    @property
    def precision(self) -> float | None:
        """Which share of the alerts was right; None without alerts."""
        raised = self.hits + self.false_alarms
        return self.hits / raised if raised else None

    @property
    def recall(self) -> float | None:
        """Which share of the abnormal events was found; None where there were none."""
        wanted = self.hits + self.missed
        return self.hits / wanted if wanted else None


def sum_of(parts: Iterable[Judged]) -> Judged:
    """The counts of several together."""
    total = Counter[str]()
    for part in parts:
        total.update(hits=part.hits, false_alarms=part.false_alarms, missed=part.missed)
    return Judged(total["hits"], total["false_alarms"], total["missed"])


@dataclass(frozen=True)
class Scored:
    """What is kept of one prediction."""

    text: str
    alert: bool
    score: float
    version: int


class Scoreboard:
    """Reads the live events, predictions, dead letters and labels as they are written.

    A prediction that comes twice (the bridge delivers at least once) counts once.
    """

    def __init__(self, events: Path, predictions: Path, dead_letters: Path, labels: Path):
        self._events = GrowingLines(events)
        self._predictions = GrowingRows(predictions)
        self._dead_letters = GrowingLines(dead_letters)
        self._labels = GrowingRows(labels)
        self._recent: deque[tuple[float, float]] = deque()
        self._began: float | None = None
        self.sent = 0
        self.dead = 0
        self.repeated = 0
        self.scored: dict[str, Scored] = {}
        self.truth: dict[str, str | None] = {}  # event id to kind of incident
        self.latencies_ms: list[float] = []
        self.versions: Counter[int] = Counter()
        self.last_alerts: deque[str] = deque(maxlen=5)

    def look(self) -> None:
        """Read what is new."""
        now = time.monotonic()
        self.sent += len(self._events.new())
        self.dead += len(self._dead_letters.new())
        for row in self._predictions.new_rows():
            self._add(row, now)
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()
        for row in self._labels.new_rows():
            self.truth[row["event_id"]] = row["incident"] if row["label"] != "normal" else None

    def _add(self, row: dict[str, Any], now: float) -> None:
        event_id = row["event_id"]
        if event_id in self.scored:
            self.repeated += 1
            return
        self._began = self._began or now
        score = float(row["outputs"].get("score", 0.0))
        self.scored[event_id] = Scored(row["text"], row["alert"], score, row["version"])
        self.latencies_ms.append(row["latency_ms"])
        self.versions[row["version"]] += 1
        self._recent.append((now, row["latency_ms"]))
        if row["alert"]:
            self.last_alerts.append(event_id)

    @property
    def complete(self) -> bool:
        """Every event sent has its outcome, and its label."""
        return len(self.scored) + self.dead >= self.sent and len(self.truth) >= self.sent

    @property
    def alerts(self) -> int:
        """How many events were alerts."""
        return sum(s.alert for s in self.scored.values())

    @property
    def rate(self) -> float:
        """Predictions a second, lately."""
        if self._began is None:
            return 0.0
        return len(self._recent) / min(RECENT_SECONDS, max(1.0, time.monotonic() - self._began))

    def latency_ms(self, share: float, *, recent: bool = False) -> float | None:
        """The latency that this share of the events stayed within; None without any."""
        values = sorted(ms for _, ms in self._recent) if recent else sorted(self.latencies_ms)
        return values[min(len(values) - 1, int(share * len(values)))] if values else None

    def judged(self, kind: str | None = None) -> Judged:
        """Alerts against the truth; with `kind` only the abnormal events of that incident."""
        counts: Counter[tuple[bool, bool]] = Counter()
        for event_id, incident in self.truth.items():
            if event_id in self.scored and kind in (None, incident):
                counts[self.scored[event_id].alert, incident is not None] += 1
        return Judged(counts[True, True], counts[True, False], counts[False, True])

    def kinds(self) -> list[str]:
        """The kinds of incident so far, in the order they came."""
        return list(dict.fromkeys(kind for kind in self.truth.values() if kind))
