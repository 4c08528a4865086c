"""Anomaly logits to calibrated probabilities, and the threshold above which an event alerts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Platt scaling (Platt 1999): sigmoid(slope * logit + offset); alert from `threshold`."""

    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5

    def score(self, logits: npt.NDArray[np.floating]) -> Floats:
        """Return the calibrated anomaly probability of each logit."""
        return 1.0 / (1.0 + np.exp(-(self.slope * np.asarray(logits, np.float64) + self.offset)))


def fit_calibration(
    logits: npt.NDArray[np.floating], anomalous: npt.NDArray[np.bool_]
) -> Calibration:
    """Fit on the eval split: the scaling by Platt's method, the threshold by the best F1.

    With one class only in the eval split nothing can be fitted: the logits are taken as they
    are and the threshold is 0.5.
    """
    if anomalous.all() or not anomalous.any():
        return Calibration()
    from sklearn.linear_model import LogisticRegression

    logits = np.asarray(logits, np.float64)
    # Platt's targets stay off 0 and 1 by what the counts can support. With hard targets a handful
    # of positives makes the slope so steep that scores saturate and the ranking is lost in ties.
    positives, count = int(anomalous.sum()), len(anomalous)
    target = np.where(anomalous, (positives + 1) / (positives + 2), 1 / (count - positives + 2))
    fitted = LogisticRegression(C=1e6).fit(
        np.concatenate([logits, logits])[:, None],
        np.repeat([1, 0], count),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:
        # The model ranks the eval split backwards; turning it round would hide that.
        return Calibration()
    scaled = Calibration(slope, offset)
    return Calibration(slope, offset, best_threshold(scaled.score(logits), anomalous))


def budget_threshold(scores: Floats, alerts: int) -> float:
    """Return the threshold that at most `alerts` of the scores reach, as many as can be."""
    ranked = np.append(np.sort(np.asarray(scores, np.float64))[::-1], 0.0)
    # A threshold cannot part equal scores.
    cuts = np.flatnonzero(ranked[:-1] != ranked[1:]) + 1
    allowed = cuts[cuts <= alerts]
    if len(allowed):
        return float((ranked[allowed[-1] - 1] + ranked[allowed[-1]]) / 2)
    return float(np.nextafter(ranked[0], 2.0))


def best_threshold(scores: Floats, anomalous: npt.NDArray[np.bool_]) -> float:
    """Return the threshold of the best F1, half-way to the next lower score."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], anomalous[order]
    true_positives = np.cumsum(hits)
    f1 = 2 * true_positives / (np.arange(1, len(hits) + 1) + hits.sum())
    # A threshold cannot part equal scores: only the last of each run of equals counts.
    last = np.append(ranked[1:] != ranked[:-1], True)
    best = int(np.argmax(np.where(last, f1, -1.0)))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
