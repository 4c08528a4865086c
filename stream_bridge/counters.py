"""The bridge's counts as Beam metrics: what Flink, Prism and Dataflow show of a job.

All stand under the namespace ``stream_bridge``: the counters ``read``, ``predicted``, ``alerts``,
``suppressed``, ``review``, ``dead``, ``dropped``, ``skipped``, ``cached``, ``disagreed``,
``windows`` and ``too_late``, and the distribution ``latency_ms``, from reading a line to its
result being durable. Engines count what they commit; a bundle that comes again after a failure
may be in them twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.runners.runner import PipelineResult

from stream_bridge.metrics import Counts
from stream_bridge.records import Outcome, Prediction

NAMESPACE = "stream_bridge"


class OutcomeCounters:
    """Counts durable outcomes. Made in a DoFn's `setup`, used in its bundles."""

    def __init__(self) -> None:
        names = ("predicted", "alerts", "suppressed", "review", "dead", "skipped")
        self._same = {name: Metrics.counter(NAMESPACE, name) for name in names}
        self._dropped = Metrics.counter(NAMESPACE, "dropped")
        self._cached = Metrics.counter(NAMESPACE, "cached")
        self._disagreed = Metrics.counter(NAMESPACE, "disagreed")
        self._latency = Metrics.distribution(NAMESPACE, "latency_ms")

    def note(self, outcomes: Sequence[Outcome], counts: Counts) -> None:
        """Outcomes are durable now, and that is what they are."""
        for name, counter in self._same.items():
            if many := getattr(counts, name):
                counter.inc(many)
        if counts.rules_dropped:
            self._dropped.inc(counts.rules_dropped)
        written, update = time.monotonic(), self._latency.update
        cached = disagreed = 0
        for outcome in outcomes:
            if isinstance(outcome, Prediction):
                cached += outcome.cached
                disagreed += outcome.shadow is not None and outcome.shadow.disagrees
                update(round((written - outcome.event.raw.read_at) * 1000))
        if cached:
            self._cached.inc(cached)
        if disagreed:
            self._disagreed.inc(disagreed)


def told_by(result: PipelineResult) -> dict[str, int]:
    """What the engine counted of a pipeline; of the distribution its mean and its largest value."""
    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    told = {each.key.metric.name: each.committed or 0 for each in found["counters"]}
    for each in found["distributions"]:
        if each.committed is not None and each.committed.count:
            told[f"{each.key.metric.name}_mean"] = round(each.committed.mean)
            told[f"{each.key.metric.name}_max"] = each.committed.max
    return told
