"""Counters and histograms under TF Serving's names, and their Prometheus page."""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Iterator, Sequence

PREFIX = "/tensorflow/serving/"


def powers(scale: float, growth: float, count: int) -> tuple[float, ...]:
    """Bucket bounds scale * growth^i for i in [0, count)."""
    return tuple(scale * growth**i for i in range(count))


LATENCY = powers(10, 1.8, 33)  # microseconds
QUEUING = powers(100, 1.2, 52)  # microseconds
EXAMPLES = powers(1, 2, 15)
BATCHES = powers(1, 2, 14)


class Counter:
    """A number that grows, for each combination of label values."""

    kind = "counter"

    def __init__(self, name: str, *labels: str) -> None:
        self.name = PREFIX + name
        self.labels = labels
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, *labels: str, by: float = 1) -> None:
        """Count one more, or `by` more."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + by

    def first(self) -> float:
        """The value of the first combination that was ever counted; 0 if none was."""
        with self._lock:
            return next(iter(self._values.values()), 0)

    def lines(self, name: str) -> Iterator[str]:
        """The Prometheus lines."""
        with self._lock:
            values = dict(self._values)
        for labels, value in values.items():
            yield f"{name}{_braces(self.labels, labels)} {value:g}"


class Gauge(Counter):
    """A number that is what it is."""

    kind = "gauge"


class Histogram:
    """Observations counted into buckets, for each combination of label values."""

    kind = "histogram"

    def __init__(self, name: str, bounds: Sequence[float], *labels: str) -> None:
        self.name = PREFIX + name
        self.labels = labels
        self._bounds = bounds
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, ...], list[float]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count one observation."""
        with self._lock:
            cells = self._cells.get(labels)
            if cells is None:
                cells = self._cells[labels] = [0.0] * (len(self._bounds) + 2)
            cells[bisect.bisect_right(self._bounds, value)] += 1
            cells[-1] += value

    def first(self) -> float:
        """Histograms have no single value: 0."""
        return 0

    def lines(self, name: str) -> Iterator[str]:
        """The Prometheus lines: cumulative buckets, sum and count."""
        with self._lock:
            cells = {labels: list(values) for labels, values in self._cells.items()}
        for labels, values in cells.items():
            total = 0.0
            for bound, count in zip((*self._bounds, float("inf")), values, strict=False):
                total += count
                text = "+Inf" if bound == float("inf") else f"{bound:g}"
                braces = _braces((*self.labels, "le"), (*labels, text))
                yield f"{name}_bucket{braces} {total:g}"
            yield f"{name}_sum{_braces(self.labels, labels)} {values[-1]:g}"
            yield f"{name}_count{_braces(self.labels, labels)} {total:g}"


class Metrics:
    """Every metric of the server."""

    def __init__(self) -> None:
        self.requests = Counter("request_count", "model_name", "status")
        self.latency = Histogram("request_latency", LATENCY, "model_name", "API", "entrypoint")
        self.runtime = Histogram("runtime_latency", LATENCY, "model_name", "API", "runtime")
        self.example_counts = Histogram("request_example_counts", EXAMPLES, "model")
        self.example_total = Counter("request_example_count_total", "model")
        self.logged = Counter("request_log_count", "model_name", "status_code")
        self.warmup_latency = Histogram("model_warmup_latency", LATENCY, "model_path", "status")
        self.warmup_records = Counter("model_warmup_records_read", "model_path", "status")
        self.mlmd = Gauge("mlmd_map", "model_name", "version")
        self.queuing = Histogram("batching_session/queuing_latency", QUEUING, "thread_pool_name")
        self.batches = Counter("batching_session/wrapped_run_count")
        self.padding = Histogram("batching_session/padding_size", BATCHES, "execution_batch_size")
        self.batch_inputs = Histogram("batching_session/input_batch_size", BATCHES)
        self.batch_sizes = Histogram("batching_session/processed_batch_size", BATCHES)

    def all(self) -> list[Counter | Histogram]:
        """All of them, by name."""
        return sorted(vars(self).values(), key=lambda metric: metric.name)

    def first(self, name: str) -> float:
        """The first point of the metric with this internal name; 0 if there is none."""
        return next((metric.first() for metric in self.all() if metric.name == name), 0)

    def page(self) -> str:
        """The Prometheus text."""
        lines = []
        for metric in self.all():
            name = re.sub(r"[^a-zA-Z0-9_]", ":", metric.name)
            lines.append(f"# TYPE {name} {metric.kind}")
            lines.extend(metric.lines(name))
        return "\n".join(lines) + "\n"


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = (
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"'))
        for name, value in zip(names, values, strict=True)
    )
    return "{" + ",".join(pairs) + "}"
