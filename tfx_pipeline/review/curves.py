"""Curves of the review: points in [0, 1] computed from a predictions file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfx_pipeline.evaluation.predictions import Row

Point = tuple[float, float]

_POINTS = 200
_BINS = 10
_NOTHING = "nothing"


def decisions(task: str, rows: Sequence[Row]) -> tuple[list[tuple[float, bool]], int]:
    """Return (score, right) of everything the model could assert, and how many are wanted.

    An anomaly model asserts that an event is an anomaly; a classifier that its label is right; a
    tagger each entity it found. A regression model asserts nothing of the kind: ([], 0).
    """
    if task == "anomaly":
        found = [(row["score"], row["truth"] == "anomaly") for row in rows]
        return found, sum(right for _, right in found)
    if task == "classification":
        return [(row["score"], row["truth"] == row["predicted"]) for row in rows], len(rows)
    if task == "token":
        found, wanted = [], 0
        for row in rows:
            truth = {tuple(span[:3]) for span in row["truth"]}
            wanted += len(truth)
            found += [(span[3], tuple(span[:3]) in truth) for span in row["predicted"]]
        return found, wanted
    return [], 0


def precision_recall(found: Sequence[tuple[float, bool]], wanted: int) -> list[Point]:
    """Return (recall, precision) from the strictest threshold to the loosest."""
    if not found or not wanted:
        return []
    last, hits, given = _cumulated(found)
    return _thin(list(zip(hits[last] / wanted, hits[last] / given[last], strict=True)))


def receiver_operating(found: Sequence[tuple[float, bool]]) -> list[Point]:
    """Return (false positive rate, true positive rate) from (0, 0) to (1, 1)."""
    positives = sum(right for _, right in found)
    negatives = len(found) - positives
    if not positives or not negatives:
        return []
    last, hits, given = _cumulated(found)
    points = zip((given - hits)[last] / negatives, hits[last] / positives, strict=True)
    return [(0.0, 0.0), *_thin(list(points))]


def reliability(found: Sequence[tuple[float, bool]]) -> list[tuple[float, float, int]]:
    """Return (mean score, share that was right, count) of each tenth of the score's range."""
    if not found:
        return []
    scores = np.array([score for score, _ in found])
    right = np.array([right for _, right in found])
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    return [
        (float(scores[bins == i].mean()), float(right[bins == i].mean()), int((bins == i).sum()))
        for i in range(_BINS)
        if (bins == i).any()
    ]


def confusion(task: str, rows: Sequence[Row], limit: int = 25) -> dict[str, Any]:
    """Return labels and counts [truth][predicted]; of many labels those confused most often.

    In a token task it is the kinds of entities, matched by their ends; what only one side has is
    `nothing` on the other.
    """
    wrong: dict[str, int] = {}
    counts: dict[tuple[str, str], int] = {}
    pairs = (
        (pair for row in rows for pair in _kinds(row))
        if task == "token"
        else ((row["truth"], row["predicted"]) for row in rows)
    )
    for pair in pairs:
        counts[pair] = counts.get(pair, 0) + 1
        for label in pair:
            wrong[label] = wrong.get(label, 0) + (pair[0] != pair[1])
    chosen = sorted(wrong, key=lambda label: (-wrong[label], label))[:limit]
    labels = sorted(chosen, key=lambda label: (label not in ("normal", _NOTHING), label))
    return {
        "labels": labels,
        "counts": [[counts.get((truth, given), 0) for given in labels] for truth in labels],
        "left_out": len(wrong) - len(labels),
    }


def _kinds(row: Row) -> Iterator[tuple[str, str]]:
    wanted = {(begin, end): kind for kind, begin, end in row["truth"]}
    found = {(begin, end): kind for kind, begin, end, _ in row["predicted"]}
    for place in wanted.keys() | found.keys():
        yield wanted.get(place, _NOTHING), found.get(place, _NOTHING)


def _cumulated(
    found: Sequence[tuple[float, bool]],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    scores = np.array([score for score, _ in found])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(np.array([right for _, right in found])[order])
    last = np.append(scores[order][1:] != scores[order][:-1], True)
    return last, hits, np.arange(1, len(found) + 1)


def _thin(points: list[Point]) -> list[Point]:
    keep = np.unique(np.linspace(0, len(points) - 1, _POINTS).astype(int))
    return [(round(float(points[i][0]), 5), round(float(points[i][1]), 5)) for i in keep]
