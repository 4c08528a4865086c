"""A load generator for Predict: by concurrency (closed loop) or by rate (open loop).

With a rate, latency counts from the moment a call was *due*, so that a server that falls behind
cannot hide it by slowing the generator down (coordinated omission).
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving_client.errors import InputError, ServingError

# One call for the n-th load unit; what it raises is counted by code.
CallOnce = Callable[[int], object]
_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
_BAR = 40


@dataclass(frozen=True)
class Load:
    """What to apply: `concurrency` calls under way, or `rate` calls a second; then for how long."""

    concurrency: int | None = None
    rate: float | None = None
    seconds: float = 10.0
    warmup_seconds: float = 2.0
    max_workers: int = 128

    def __post_init__(self) -> None:
        if (self.concurrency is None) == (self.rate is None):
            raise InputError("give a concurrency or a rate")
        applied = self.rate if self.concurrency is None else self.concurrency
        if applied is None or applied <= 0:
            raise InputError("concurrency and rate must be positive")
        if self.seconds <= 0 or self.warmup_seconds < 0:
            raise InputError("seconds must be positive, warm-up not negative")


@dataclass(frozen=True)
class Report:
    """What was measured after the warm-up. Latencies in seconds, sorted."""

    load: Load
    seconds: float
    latencies: Sequence[float]
    errors: dict[str, int] = field(default_factory=dict)
    items_per_call: int = 1
    interrupted: bool = False

    @property
    def calls(self) -> int:
        """Calls that were answered."""
        return len(self.latencies)

    def percentile(self, percent: float) -> float:
        """A latency in seconds, NaN without any call."""
        if not self.latencies:
            return math.nan
        return float(np.percentile(np.asarray(self.latencies), percent))

    def histogram(self) -> list[tuple[float, int]]:
        """(upper bound in seconds, calls) by steps of a factor 10^(1/5), without the empty ends."""
        steps = Counter(math.ceil(5 * math.log10(max(each, 1e-6))) for each in self.latencies)
        if not steps:
            return []
        return [
            (10 ** (step / 5), steps.get(step, 0)) for step in range(min(steps), max(steps) + 1)
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: rates per second, latencies in milliseconds."""
        return {
            "concurrency": self.load.concurrency,
            "rate": self.load.rate,
            "seconds": round(self.seconds, 3),
            "calls": self.calls,
            "items_per_call": self.items_per_call,
            "calls_per_second": round(self.calls / self.seconds, 2),
            "items_per_second": round(self.calls * self.items_per_call / self.seconds, 2),
            "errors": self.errors,
            "latency_ms": {
                "mean": _ms(float(np.mean(self.latencies)) if self.latencies else math.nan),
                **{f"p{percent:g}": _ms(self.percentile(percent)) for percent in _PERCENTILES},
                "max": _ms(self.latencies[-1] if self.latencies else math.nan),
            },
            "histogram_ms": [[_ms(bound), count] for bound, count in self.histogram()],
        }

    def as_table(self) -> str:
        """For people."""
        found = self.as_dict()
        rows = [
            f"{self.calls} calls in {self.seconds:.1f} s: "
            f"{found['calls_per_second']:.1f} calls/s, {found['items_per_second']:.1f} items/s",
            "latency ms  "
            + "  ".join(f"{name} {value}" for name, value in found["latency_ms"].items()),
        ]
        rows += [f"{count} failed with {code}" for code, count in sorted(self.errors.items())]
        highest = max((count for _, count in self.histogram()), default=0)
        for bound, count in self.histogram():
            bar = "#" * math.ceil(_BAR * count / highest)
            rows.append(f"  <= {bound * 1000:9.2f} ms {count:8d} {bar}")
        return "\n".join(rows)


def _ms(seconds: float) -> float | None:
    return None if math.isnan(seconds) else round(seconds * 1000, 3)


def run(load: Load, call: CallOnce, items_per_call: int = 1) -> Report:
    """Apply the load on threads and report what happened after the warm-up.

    Ctrl-C ends it early, with a report of what was measured by then; during the warm-up it is
    raised, as there is nothing to report.
    """
    return _Generator(load, call).run(items_per_call)


class _Generator:
    def __init__(self, load: Load, call: CallOnce) -> None:
        self._load = load
        self._call = call
        self._lock = threading.Lock()
        self._number = 0
        self._latencies: list[float] = []
        self._errors: Counter[str] = Counter()
        self._begin = time.monotonic()
        self._counted_from = self._begin + load.warmup_seconds
        self._end = self._counted_from + load.seconds
        self._stop = threading.Event()

    def run(self, items_per_call: int) -> Report:
        workers = self._load.concurrency or self._load.max_workers
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        interrupted = False
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)  # short, so that Ctrl-C is heard
        except KeyboardInterrupt:
            if time.monotonic() <= self._counted_from:
                raise
            interrupted = True
        finally:
            self._stop.set()
        with self._lock:
            return Report(
                self._load,
                time.monotonic() - self._counted_from,
                sorted(self._latencies),
                dict(self._errors),
                items_per_call,
                interrupted,
            )

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                number, self._number = self._number, self._number + 1
            due = time.monotonic()
            if self._load.rate is not None:
                due = self._begin + number / self._load.rate
                if due < self._end and self._stop.wait(max(0.0, due - time.monotonic())):
                    return
            if due >= self._end:
                return
            code = None
            try:
                self._call(number)
            except ServingError as error:
                code = error.code
            took = time.monotonic() - due
            if due < self._counted_from:
                continue
            with self._lock:
                if code is None:
                    self._latencies.append(took)
                else:
                    self._errors[code] += 1
