"""What the data looked like, and how far it drifted from the span before.

Read from the statistics and anomalies that TFX recorded, without TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

_BINS = 20
_TOP = 8


def describe(statistics: Path, previous: Path | None, split: str = "train") -> list[dict[str, Any]]:
    """Return a row for each feature of a split, with its drift against an earlier span.

    `drift` is the L-infinity distance between the shares of the values (of a string feature), or
    the Jensen-Shannon divergence in bits between the histograms (of a numeric one), as TFDV
    measures it; None where there is nothing to compare.
    """
    before = {} if previous is None else _features(previous, split)
    rows = []
    for name, feature in _features(statistics, split).items():
        common, kind = _common(feature), _kind(feature)
        row: dict[str, Any] = {
            "feature": name,
            "kind": kind,
            "events": common.num_non_missing,
            "missing": common.num_missing,
            "drift": None,
        }
        if kind == "text":
            strings = feature.string_stats
            row |= {
                "distinct": strings.unique,
                "mean": None,
                "mean_length": strings.avg_length,
                # Where every value is its own, the commonest says nothing.
                "top": [
                    [value.value[:60], value.frequency]
                    for value in strings.top_values[:_TOP]
                    if value.frequency > 1
                ],
            }
        else:
            numbers = feature.num_stats
            row |= {"mean": numbers.mean, "low": numbers.min, "high": numbers.max, "top": []}
        if name in before and _kind(before[name]) == kind:
            row["drift"] = _drift(feature, before[name], kind)
        rows.append(row)
    return rows


def schema_changes(anomalies: Path) -> list[str]:
    """Return what ExampleValidator found wrong, one line for each feature and split."""
    found = []
    for file in sorted(anomalies.glob("Split-*/SchemaDiff.pb")):
        parsed = anomalies_pb2.Anomalies.FromString(file.read_bytes())
        split = file.parent.name.removeprefix("Split-")
        for name, info in sorted(parsed.anomaly_info.items()):
            said = " ".join((info.description or info.short_description).split())
            found.append(f"{name} ({split}): {said}")
    return found


def _features(folder: Path, split: str) -> dict[str, Any]:
    file = folder / f"Split-{split}" / "FeatureStats.pb"
    if not file.is_file():
        return {}
    parsed = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
    return {
        feature.name or ".".join(feature.path.step): feature
        for dataset in parsed.datasets
        for feature in dataset.features
    }


def _kind(feature: Any) -> str:
    return "number" if feature.WhichOneof("stats") == "num_stats" else "text"


def _common(feature: Any) -> Any:
    return getattr(feature, feature.WhichOneof("stats")).common_stats


def _drift(feature: Any, before: Any, kind: str) -> float | None:
    if kind == "text":
        return _l_infinity(_shares(feature), _shares(before))
    left, right = _histogram(feature), _histogram(before)
    if not left or not right:
        return None
    low = min(bucket[0] for bucket in left + right)
    high = max(bucket[1] for bucket in left + right)
    return _jensen_shannon(_spread(left, low, high), _spread(right, low, high))


def _shares(feature: Any) -> dict[str, float]:
    buckets = feature.string_stats.rank_histogram.buckets
    total = max(1, feature.string_stats.common_stats.tot_num_values)
    return {bucket.label: bucket.sample_count / total for bucket in buckets}


def _l_infinity(left: dict[str, float], right: dict[str, float]) -> float | None:
    names = left.keys() | right.keys()
    return max((abs(left.get(n, 0.0) - right.get(n, 0.0)) for n in names), default=None)


def _histogram(feature: Any) -> list[tuple[float, float, float]]:
    for histogram in feature.num_stats.histograms:
        if histogram.type == statistics_pb2.Histogram.STANDARD:
            return [(b.low_value, b.high_value, b.sample_count) for b in histogram.buckets]
    return []


def _spread(
    buckets: list[tuple[float, float, float]], low: float, high: float
) -> npt.NDArray[np.float64]:
    """Share out the buckets' counts over equal bins of a common range."""
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    counts = np.zeros(_BINS)
    for begin, end, count in buckets:
        if end <= begin:
            place = min(int(np.searchsorted(edges, begin, side="right")) - 1, _BINS - 1)
            counts[place] += count
            continue
        overlap = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
        counts += count * np.maximum(overlap, 0) / (end - begin)
    return counts / max(counts.sum(), 1e-12)


def _jensen_shannon(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    middle = (left + right) / 2

    def divergence(part: npt.NDArray[np.float64]) -> float:
        some = part > 0
        return float((part[some] * np.log2(part[some] / middle[some])).sum())

    return (divergence(left) + divergence(right)) / 2
