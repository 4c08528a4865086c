"""A task's metrics from its columns, with bootstrap intervals, over slices and between groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfx_pipeline.evaluation import metrics
from tfx_pipeline.evaluation.predictions import Columns, Row, columns

Measure = Callable[[Columns], dict[str, float]]
Interval = tuple[float, float]

_DAY = 86_400e6


def measure_of(task: str, threshold: float, alerts: int | None) -> Measure:
    """Return the function from a task's columns to its metrics.

    Args:
        task: the task.
        threshold: an anomaly score from which the model raises an alert.
        alerts: how many alerts the budget allows for the whole split, None without a budget.
    """

    def anomaly(given: Columns) -> dict[str, float]:
        score, truth = given["score"], given["truth"]
        unseen = given["unseen"] & truth
        caught = (score >= threshold) & unseen
        found = metrics.anomaly_metrics(score, truth, threshold)
        found["unseen_template_recall"] = (
            float(caught.sum() / unseen.sum()) if unseen.any() else float("nan")
        )
        if alerts is not None:
            found["budget_precision"] = metrics.budget_precision(score, truth, alerts)
        return found

    return {
        "anomaly": anomaly,
        "classification": lambda c: metrics.classification_metrics(
            c["predicted"], c["truth"], c["score"]
        ),
        "regression": lambda c: metrics.regression_metrics(c["predicted"], c["truth"]),
        "token": lambda c: metrics.entity_metrics(c["hits"], c["given"], c["wanted"]),
    }[task]


def alert_budget(rows: Sequence[Row], alerts_per_day: float | None) -> int | None:
    """Return how many alerts a budget allows over the time the rows span, at least one."""
    times = [row["time"] for row in rows if row["time"] is not None]
    if alerts_per_day is None or not times:
        return None
    return max(1, round(alerts_per_day * (max(times) - min(times)) / _DAY))


def intervals(
    measure: Measure,
    given: Columns,
    samples: int,
    against: tuple[Measure, Columns] | None = None,
) -> dict[str, Interval]:
    """Return 95 % percentile bootstrap intervals (Efron 1979), always the same for the same data.

    With `against`, a second model's answers to the same events, the intervals are those of the
    difference, resampled in pairs.
    """
    random = np.random.default_rng(0)
    count = len(next(iter(given.values())))
    drawn: dict[str, list[float]] = {}
    for _ in range(samples if count else 0):
        rows = random.integers(0, count, count)
        values = measure(take(given, rows))
        if against is not None:
            base = against[0](take(against[1], rows))
            values = {name: value - base[name] for name, value in values.items()}
        for name, value in values.items():
            drawn.setdefault(name, []).append(value)
    found = {}
    for name, values in drawn.items():
        finite = np.array(values)[np.isfinite(values)]
        # A figure that most samples cannot give has no interval worth the name.
        if len(finite) > samples / 2:
            low, high = np.percentile(finite, (2.5, 97.5))
            found[name] = (float(low), float(high))
    return found


def slices(
    measure: Measure, task: str, rows: Sequence[Row], keys: Iterable[Sequence[str]]
) -> list[dict[str, Any]]:
    """Return the metrics of each slice, as JSON values, the largest slice first."""
    given = columns(task, rows)
    found = [
        {"slice": name, "events": len(members), **metrics.as_json(measure(take(given, members)))}
        for names in keys
        for name, members in groups(rows, names).items()
    ]
    return sorted(found, key=lambda row: -row["events"])


def fairness(
    task: str, rows: Sequence[Row], threshold: float, keys: Iterable[str]
) -> list[dict[str, Any]]:
    """Compare error rates between the values of a feature, as Fairness Indicators do.

    Each feature gets its groups with their rates, and for each rate the `gap` between the
    highest and the lowest. A rate that a group has no events for is null.
    """
    given = columns(task, rows)
    found = []
    for key in keys:
        listed = [
            {
                "group": name.partition("=")[2],
                "events": len(members),
                **metrics.as_json(_rates(task, take(given, members), threshold)),
            }
            for name, members in groups(rows, [key]).items()
        ]
        listed.sort(key=lambda group: -group["events"])
        gaps = {}
        for rate in [name for name in listed[0] if name not in ("group", "events")]:
            values = [group[rate] for group in listed if group[rate] is not None]
            gaps[rate] = max(values) - min(values) if values else None
        found.append({"feature": key, "groups": listed, "gap": gaps})
    return found


def groups(rows: Sequence[Row], keys: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Return the row numbers of each combination of the features' values."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        name = ", ".join(f"{key}={row['features'].get(key, '')}" for key in keys)
        found.setdefault(name, []).append(number)
    return {name: np.array(members, np.int64) for name, members in sorted(found.items())}


def take(given: Columns, rows: npt.NDArray[np.int64]) -> Columns:
    """Return some rows of the columns."""
    return {name: values[rows] for name, values in given.items()}


def _rates(task: str, given: Columns, threshold: float) -> dict[str, float]:
    if task == "anomaly":
        alerts, truth = given["score"] >= threshold, given["truth"]
        return {
            "alert_rate": _share(alerts),
            "false_positive_rate": _share(alerts[~truth]),
            "false_negative_rate": _share(~alerts[truth]),
        }
    if task == "classification":
        return {"error_rate": _share(given["predicted"] != given["truth"])}
    if task == "regression":
        difference = given["predicted"] - given["truth"]
        return {"mean_error": float(difference.mean()), "mae": float(np.abs(difference).mean())}
    missed = 1 - given["hits"].sum() / given["wanted"].sum() if given["wanted"].sum() else np.nan
    false = 1 - given["hits"].sum() / given["given"].sum() if given["given"].sum() else np.nan
    return {"missed_entities": float(missed), "false_entities": float(false)}


def _share(chosen: npt.NDArray[np.bool_]) -> float:
    return float(chosen.mean()) if len(chosen) else float("nan")
