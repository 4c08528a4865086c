"""Trivial baselines: what a model must beat before anyone should pay for it.

majority                       always the commonest label
unseen-template rule           an event is abnormal when its template never occurred in training
TF-IDF + logistic regression   words and word pairs, a linear model
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfx_pipeline.evaluation.metrics import anomaly_metrics, classification_metrics
from tfx_pipeline.model.calibration import fit_calibration

Ids = npt.NDArray[np.int64]

# The linear baseline is a yardstick, not a product: this many rows settle it.
_MAX_ROWS = 50_000
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|\d+")


@dataclass(frozen=True)
class Labelled:
    """Texts and their label ids."""

    texts: Sequence[str]
    ids: Ids


def template(text: str) -> str:
    """Mask what varies in a log line: numbers, decimal and hexadecimal."""
    return _VARIABLE.sub("*", text)


def anomaly_baselines(
    train: Labelled, evaluation: Labelled, test: Labelled
) -> dict[str, dict[str, float]]:
    """Return the anomaly metrics of each baseline on `test`; thresholds come from `evaluation`."""
    truth = test.ids == 1
    known = {template(text) for text in train.texts}
    unseen = np.array([template(text) not in known for text in test.texts], np.float64)
    results = {
        "majority": anomaly_metrics(np.zeros(len(truth)), truth, 0.5),
        "unseen-template rule": anomaly_metrics(unseen, truth, 0.5),
    }
    linear = _Linear(train)
    if linear.fitted:
        logits = linear.logits(evaluation.texts)
        calibration = fit_calibration(logits, evaluation.ids == 1)
        scores = calibration.score(linear.logits(test.texts))
        results["TF-IDF + logistic regression"] = anomaly_metrics(
            scores, truth, calibration.threshold
        )
    return results


def classification_baselines(train: Labelled, test: Labelled) -> dict[str, dict[str, float]]:
    """Return accuracy and macro F1 of each baseline on `test`."""
    majority = np.full(len(test.ids), np.bincount(train.ids).argmax())
    results = {"majority": classification_metrics(majority, test.ids)}
    linear = _Linear(train)
    if linear.fitted:
        results["TF-IDF + logistic regression"] = classification_metrics(
            linear.predict(test.texts), test.ids
        )
    return results


class _Linear:
    def __init__(self, train: Labelled) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        rows = np.arange(len(train.ids))
        if len(rows) > _MAX_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, _MAX_ROWS, replace=False))
        texts = [train.texts[row] for row in rows]
        ids = train.ids[rows]
        self._vectors = TfidfVectorizer(ngram_range=(1, 2))
        self._model = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced")
        words = any(re.search(r"\w\w", text) for text in texts)
        self.fitted = words and len(np.unique(ids)) > 1
        if self.fitted:
            self._model.fit(self._vectors.fit_transform(texts), ids)

    def logits(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the decision values of a two-class model."""
        return self._model.decision_function(self._vectors.transform(texts))

    def predict(self, texts: Sequence[str]) -> Ids:
        """Return the predicted label ids."""
        return self._model.predict(self._vectors.transform(texts))
