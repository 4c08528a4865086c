"""Figures that a reviewer reads, computed on plain arrays. NaN where a figure has no meaning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tfx_pipeline.model.calibration import best_threshold

Scores = npt.NDArray[np.floating]
Truth = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

_BINS = 15


def anomaly_metrics(scores: Scores, truth: Truth, threshold: float) -> dict[str, float]:
    """Ranking, calibration, and precision, recall and F1 at a threshold that was chosen before.

    `best_f1` is the F1 of the best threshold in hindsight, as papers often print it. Figures
    that need a positive are NaN where there is none.
    """
    scores = np.asarray(scores, np.float64)
    error = calibration_error(scores, truth)
    if not truth.any():
        names = ("average_precision", "roc_auc", "precision", "recall", "f1", "best_f1")
        return dict.fromkeys(names, float("nan")) | {"calibration_error": error}
    return {
        "average_precision": average_precision(scores, truth),
        "roc_auc": roc_auc(scores, truth),
        **_at(scores >= threshold, truth),
        "best_f1": _at(scores >= best_threshold(scores, truth), truth)["f1"],
        "calibration_error": error,
    }


def classification_metrics(
    predicted: Ids, truth: Ids, confidence: Scores | None = None
) -> dict[str, float]:
    """Accuracy, macro F1 over the classes that occur in the truth, and calibration error.

    `confidence` float[n] is the probability of the predicted class; without it the calibration
    error is NaN.
    """
    nothing = float("nan")
    if not len(truth):
        return {"accuracy": nothing, "macro_f1": nothing, "calibration_error": nothing}
    right = predicted == truth
    classes = int(max(predicted.max(), truth.max())) + 2
    # Ids start at -1, the label that training never saw.
    hits = np.bincount(truth[right] + 1, minlength=classes)
    wanted = np.bincount(truth + 1, minlength=classes)
    given = np.bincount(predicted + 1, minlength=classes)
    present = wanted > 0
    macro = float(np.mean(2 * hits[present] / (wanted[present] + given[present])))
    error = nothing if confidence is None else calibration_error(confidence, right)
    return {"accuracy": float(right.mean()), "macro_f1": macro, "calibration_error": error}


def regression_metrics(predicted: Scores, truth: Scores) -> dict[str, float]:
    """Pearson's r, Spearman's rho, root mean squared and mean absolute error."""
    from scipy.stats import rankdata

    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    difference = predicted - truth
    nothing = not len(truth)
    return {
        "pearson": _correlation(predicted, truth),
        "spearman": _correlation(rankdata(predicted), rankdata(truth)),
        "rmse": float("nan") if nothing else float(np.sqrt(np.mean(difference**2))),
        "mae": float("nan") if nothing else float(np.mean(np.abs(difference))),
    }


def entity_metrics(hits: Ids, given: Ids, wanted: Ids) -> dict[str, float]:
    """Entity F1, precision and recall as conlleval has them, from counts for each text int[n].

    An entity is right when its type and both its ends are (Tjong Kim Sang & De Meulder 2003).
    """
    right, raised, asked = float(hits.sum()), float(given.sum()), float(wanted.sum())
    nothing = float("nan")
    return {
        "entity_f1": 2 * right / (raised + asked) if raised + asked else nothing,
        "entity_precision": right / raised if raised else nothing,
        "entity_recall": right / asked if asked else nothing,
    }


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Return the entities of a BIO tag sequence as (type, first, one past last) of its tokens.

    As in conlleval an I- tag that continues nothing of its type begins an entity.
    """
    found = set()
    kind, first = "", 0
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        goes_on = prefix == "I" and name == kind
        if kind and not goes_on:
            found.add((kind, first, position))
            kind = ""
        if prefix in ("B", "I") and not goes_on:
            kind, first = name, position
    return found


def average_precision(scores: Scores, truth: Truth) -> float:
    """Return the mean precision over the steps of recall; equal scores are one step."""
    if not truth.any():
        return float("nan")
    order = np.argsort(-np.asarray(scores), kind="stable")
    ranked, hits = np.asarray(scores)[order], np.cumsum(truth[order])
    last = np.append(ranked[1:] != ranked[:-1], True)
    precision = hits[last] / (np.flatnonzero(last) + 1)
    return float((precision * np.diff(hits[last], prepend=0)).sum() / hits[-1])


def roc_auc(scores: Scores, truth: Truth) -> float:
    """Return the probability that a positive ranks above a negative; ties count half."""
    from scipy.stats import rankdata

    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)[truth].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def calibration_error(confidence: Scores, right: Truth) -> float:
    """Return the expected calibration error over equal-width bins (Naeini et al. 2015)."""
    if not len(confidence):
        return float("nan")
    bins = np.minimum((np.asarray(confidence) * _BINS).astype(int), _BINS - 1)
    gap = np.bincount(bins, np.asarray(confidence) - right, minlength=_BINS)
    return float(np.abs(gap).sum() / len(confidence))


def budget_precision(scores: Scores, truth: Truth, alerts: int) -> float:
    """Return the precision of the `alerts` highest scores, and of those equal to the last."""
    if not len(scores) or alerts < 1:
        return float("nan")
    lowest = np.sort(scores)[-min(alerts, len(scores))]
    return float(truth[scores >= lowest].mean())


def as_json(values: dict[str, float]) -> dict[str, float | None]:
    """Replace NaN by null: JSON has no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _correlation(left: Scores, right: Scores) -> float:
    # A constant's standard deviation is not always zero in floating point.
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan")
    return float(np.corrcoef(left, right)[0, 1])


def _at(alerts: Truth, truth: Truth) -> dict[str, float]:
    hits = float(np.sum(alerts & truth))
    raised, wanted = float(alerts.sum()), float(truth.sum())
    return {
        "precision": hits / raised if raised else 0.0,
        "recall": hits / wanted,
        "f1": 2 * hits / (raised + wanted),
    }
