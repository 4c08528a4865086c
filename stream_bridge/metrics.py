"""What the bridge counts: lines in, outcomes out, latency; for the status file and the table."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from stream_bridge.records import DeadLetter, Dropped, Outcome, Prediction

_RECENT = 4096
_RATE_SECONDS = 5.0
# Seconds; each bucket of the histogram is about twice the one before.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Counts:
    """Durable results of one bundle, or of a whole run.

    Attributes:
      predicted: predictions written.
      dead: dead letters written.
      skipped: lines without an event.
      alerts: of the predictions, how many are alerts that were told.
      suppressed: of the predictions, how many only repeat an alert.
      review: of the predictions, how many a person should look at.
      dropped: events per rule that dropped them.
      ruled: predictions per rule that held for them.
      versions: predictions per model version.
      dead_codes: dead letters per code.
    """

    predicted: int = 0
    dead: int = 0
    skipped: int = 0
    alerts: int = 0
    suppressed: int = 0
    review: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    ruled: Counter[str] = field(default_factory=Counter)
    versions: Counter[int] = field(default_factory=Counter)
    dead_codes: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> int:
        """How many lines these results account for."""
        return self.predicted + self.dead + self.skipped + self.rules_dropped

    @property
    def rules_dropped(self) -> int:
        """Events that rules dropped."""
        return sum(self.dropped.values())

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.predicted + other.predicted,
            self.dead + other.dead,
            self.skipped + other.skipped,
            self.alerts + other.alerts,
            self.suppressed + other.suppressed,
            self.review + other.review,
            self.dropped + other.dropped,
            self.ruled + other.ruled,
            self.versions + other.versions,
            self.dead_codes + other.dead_codes,
        )


def count(outcomes: Sequence[Outcome]) -> Counts:
    """Counts outcomes by kind."""
    predictions = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
    dead = [outcome for outcome in outcomes if isinstance(outcome, DeadLetter)]
    dropped = [outcome for outcome in outcomes if isinstance(outcome, Dropped)]
    return Counts(
        predicted=len(predictions),
        dead=len(dead),
        skipped=len(outcomes) - len(predictions) - len(dead) - len(dropped),
        alerts=sum(each.alert and not each.suppressed for each in predictions),
        suppressed=sum(each.suppressed for each in predictions),
        review=sum(bool(each.review) for each in predictions),
        dropped=Counter(each.rule for each in dropped),
        ruled=Counter(rule for each in predictions for rule in each.rules),
        versions=Counter(prediction.version for prediction in predictions),
        dead_codes=Counter(letter.code for letter in dead),
    )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The metrics at one moment.

    Attributes:
      read: lines whose results are durable and whose position is committed.
      counts: their results.
      waiting: lines read and not yet committed.
      handed_back: lines read, then given up unfinished; they are read again.
      events_per_second: committed lines, over the last five seconds.
      p50_ms: median of read to durable, over the last 4,096 events; None before the first.
      p99_ms: the 99th percentile of the same.
      stages_ms: ``p50`` and ``p99`` of the same in two: ``score`` is read to answered, ``write``
        answered to durable.
      latency_buckets: predictions by latency, one more than `BUCKETS` (the last is unbounded).
      latency_sum: of all latencies, seconds.
      waiting_for: what the stream stands still for, in words; None while it flows.
      last_version: the version that answered last; None before the first.
      windows: summaries of windows written.
      too_late: predictions that came too late for their window.
    """

    read: int
    counts: Counts
    waiting: int
    handed_back: int
    events_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    stages_ms: dict[str, dict[str, float | None]]
    latency_buckets: tuple[int, ...]
    latency_sum: float
    waiting_for: str | None
    last_version: int | None
    windows: int = 0
    too_late: int = 0


class Metrics:
    """Counters of one run; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read = 0
        self._open = 0
        self._handed_back = 0
        self._counts = Counts()
        self._latencies: deque[float] = deque(maxlen=_RECENT)
        self._scored: deque[float] = deque(maxlen=_RECENT)
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._latency_sum = 0.0
        self._commits: deque[tuple[float, int]] = deque()
        self._waits: dict[int, str] = {}
        self._last_version: int | None = None
        self._windows = self._too_late = 0
        self._started = time.monotonic()

    def lines_read(self, lines: int) -> None:
        """The source returned lines."""
        with self._lock:
            self._open += lines

    @property
    def total_read(self) -> int:
        """Lines read so far, committed or not."""
        with self._lock:
            return self._read + self._open

    def written(self, outcomes: Sequence[Outcome]) -> None:
        """Outcomes are durable; their latency ends here."""
        written = time.monotonic()
        predictions = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
        if not predictions:
            return
        latencies = [written - each.event.raw.read_at for each in predictions]
        ordered = sorted(latencies)
        ends = [bisect_right(ordered, bound) for bound in BUCKETS]
        with self._lock:
            self._latencies += latencies
            self._scored += [each.latency_ms / 1000 for each in predictions]
            for bucket, (start, end) in enumerate(pairwise([0, *ends, len(ordered)])):
                self._buckets[bucket] += end - start
            self._latency_sum += sum(latencies)
            self._last_version = predictions[-1].version

    def committed(self, lines: int, counts: Counts) -> None:
        """A bundle's position is durable: its lines and results count from now on."""
        with self._lock:
            self._read += lines
            self._open -= lines
            self._counts += counts
            self._commits.append((time.monotonic(), lines))

    def windows_written(self, summaries: int) -> None:
        """Summaries of windows are durable."""
        with self._lock:
            self._windows += summaries

    def came_too_late(self) -> None:
        """A prediction came too late for its window."""
        with self._lock:
            self._too_late += 1

    def given_up(self) -> None:
        """What is open will not be finished; it will be read again."""
        with self._lock:
            self._handed_back += self._open
            self._open = 0

    def waiting_for(self, reason: str | None) -> None:
        """The calling thread waits for something, or (None) no longer does."""
        with self._lock:
            if reason is None:
                self._waits.pop(threading.get_ident(), None)
            else:
                self._waits[threading.get_ident()] = reason

    def snapshot(self) -> Snapshot:
        """The metrics now."""
        with self._lock:
            now = time.monotonic()
            while self._commits and self._commits[0][0] < now - _RATE_SECONDS:
                self._commits.popleft()
            seconds = max(0.001, min(_RATE_SECONDS, now - self._started))
            ordered = sorted(self._latencies)
            scored = sorted(self._scored)
            pairs = zip(self._latencies, self._scored, strict=True)
            writing = sorted(whole - part for whole, part in pairs)
            return Snapshot(
                read=self._read,
                counts=self._counts,
                waiting=self._open,
                handed_back=self._handed_back,
                events_per_second=sum(lines for _, lines in self._commits) / seconds,
                p50_ms=_percentile_ms(ordered, 0.50),
                p99_ms=_percentile_ms(ordered, 0.99),
                stages_ms={
                    name: {"p50": _percentile_ms(of, 0.50), "p99": _percentile_ms(of, 0.99)}
                    for name, of in (("score", scored), ("write", writing))
                },
                latency_buckets=tuple(self._buckets),
                latency_sum=self._latency_sum,
                waiting_for=next(iter(self._waits.values()), None),
                last_version=self._last_version,
                windows=self._windows,
                too_late=self._too_late,
            )


def _percentile_ms(ordered: Sequence[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)
