"""Figures that a reviewer reads, computed on plain arrays. All are better when higher."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tfx_pipeline.model.calibration import best_threshold

Scores = npt.NDArray[np.floating]
Truth = npt.NDArray[np.bool_]


def anomaly_metrics(scores: Scores, truth: Truth, threshold: float) -> dict[str, float]:
    """Average precision, and precision, recall and F1 at a threshold that was chosen before.

    `best_f1` is the F1 of the best threshold in hindsight, as papers often print it. Figures
    that need a positive are NaN where there is none.
    """
    from sklearn.metrics import average_precision_score

    scores = np.asarray(scores, np.float64)
    if not truth.any():
        nothing = float("nan")
        names = ("average_precision", "precision", "recall", "f1", "best_f1")
        return dict.fromkeys(names, nothing)
    return {
        "average_precision": float(average_precision_score(truth, scores)),
        **_at(scores >= threshold, truth),
        "best_f1": _at(scores >= best_threshold(scores, truth), truth)["f1"],
    }


def classification_metrics(
    predicted: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Accuracy and macro F1 over the classes that occur in the truth."""
    from sklearn.metrics import f1_score

    present = np.unique(truth)
    macro = f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    return {"accuracy": float(np.mean(predicted == truth)), "macro_f1": float(macro)}


def as_json(values: dict[str, float]) -> dict[str, float | None]:
    """Replace NaN by null: JSON has no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _at(alerts: Truth, truth: Truth) -> dict[str, float]:
    hits = float(np.sum(alerts & truth))
    raised, wanted = float(alerts.sum()), float(truth.sum())
    return {
        "precision": hits / raised if raised else 0.0,
        "recall": hits / wanted,
        "f1": 2 * hits / (raised + wanted),
    }
