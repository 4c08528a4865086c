"""Trivial baselines: what a model must beat before anyone should pay for it.

majority                       always the commonest label, or the mean
unseen-template rule           an event is abnormal when its template never occurred in training
TF-IDF + logistic regression   words and word pairs, a linear model (ridge for numbers)
word's commonest tag           each word has the tag it most often had in training
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tfx_pipeline.evaluation.measure import measure_of
from tfx_pipeline.evaluation.metrics import (
    classification_metrics,
    entities,
    entity_metrics,
    regression_metrics,
)
from tfx_pipeline.model.calibration import fit_calibration

if TYPE_CHECKING:
    from tfx_pipeline.evaluation.events import Event

Ids = npt.NDArray[np.int64]
Words = Sequence[tuple[str, str]]

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


def template_weights(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Weigh each text by one over the root of the texts of its template; their mean is 1."""
    names = [template(text) for text in texts]
    _, number, counts = np.unique(names, return_inverse=True, return_counts=True)
    weights = 1.0 / np.sqrt(counts[number])
    return weights / weights.mean()


def anomaly_baselines(
    train: Labelled, evaluation: Labelled, test: Labelled, alerts: int | None = None
) -> dict[str, dict[str, float]]:
    """Return the anomaly metrics of each baseline on `test`; thresholds come from `evaluation`.

    `alerts` is the budget for the whole of `test`, None without one.
    """
    known = {template(text) for text in train.texts}
    unseen = np.array([template(text) not in known for text in test.texts], bool)

    def measured(scores: npt.NDArray[np.float64], threshold: float) -> dict[str, float]:
        columns = {"score": scores, "truth": test.ids == 1, "unseen": unseen}
        return measure_of("anomaly", threshold, alerts)(columns)

    results = {
        "majority": measured(np.zeros(len(unseen)), 0.5),
        "unseen-template rule": measured(unseen.astype(np.float64), 0.5),
    }
    linear = _Linear(train)
    if linear.fitted:
        logits = linear.logits(evaluation.texts)
        calibration = fit_calibration(logits, evaluation.ids == 1)
        scores = calibration.score(linear.logits(test.texts))
        results["TF-IDF + logistic regression"] = measured(scores, calibration.threshold)
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


def regression_baselines(
    train: Sequence[tuple[str, float]], test: Sequence[tuple[str, float]]
) -> dict[str, dict[str, float]]:
    """Return the regression metrics on `test` of the mean and of ridge regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    values = np.array([value for _, value in train], np.float64)
    truth = np.array([value for _, value in test], np.float64)
    results = {"mean": regression_metrics(np.full(len(truth), values.mean()), truth)}
    rows = _settling(len(train))
    texts = [train[row][0] for row in rows]
    if any(re.search(r"\w\w", text) for text in texts):
        vectors = TfidfVectorizer(ngram_range=(1, 2))
        ridge = Ridge().fit(vectors.fit_transform(texts), values[rows])
        guessed = ridge.predict(vectors.transform([text for text, _ in test]))
        results["TF-IDF + ridge regression"] = regression_metrics(guessed, truth)
    return results


def token_baselines(train: Sequence[Words], test: Sequence[Words]) -> dict[str, dict[str, float]]:
    """Return the entity metrics on `test` of the tag each word most often had in `train`."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words in train:
        for word, tag in words:
            seen[word][tag] += 1
    commonest = {word: tags.most_common(1)[0][0] for word, tags in seen.items()}
    pairs = [
        (
            entities([commonest.get(word, "O") for word, _ in words]),
            entities([tag for _, tag in words]),
        )
        for words in test
    ]
    counts = np.array([(len(a & b), len(a), len(b)) for a, b in pairs] or [(0, 0, 0)], np.int64)
    return {"word's commonest tag": entity_metrics(counts[:, 0], counts[:, 1], counts[:, 2])}


def task_baselines(
    task: str,
    labels: Sequence[str],
    splits: Mapping[str, Sequence[Event]],
    alerts: int | None = None,
) -> dict[str, dict[str, float]]:
    """Return each baseline's metrics on the test split of a task's events.

    `alerts` is an anomaly task's budget for the whole split, None without one.
    """
    if task == "regression":
        pairs = {name: [(e.text, float(e.truth)) for e in part] for name, part in splits.items()}
        return regression_baselines(pairs["train"], pairs["test"])
    if task == "token":
        words = {name: [event.words for event in part] for name, part in splits.items()}
        return token_baselines(words["train"], words["test"])
    numbers = {label: index for index, label in enumerate(labels)}
    parts = {
        name: Labelled(
            [event.text for event in part],
            np.array([numbers.get(event.truth, -1) for event in part], np.int64),
        )
        for name, part in splits.items()
    }
    if task == "anomaly":
        return anomaly_baselines(parts["train"], parts["eval"], parts["test"], alerts)
    return classification_baselines(parts["train"], parts["test"])


def _settling(count: int) -> Ids:
    rows = np.arange(count)
    if count > _MAX_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MAX_ROWS, replace=False))
    return rows


class _Linear:
    def __init__(self, train: Labelled) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        rows = _settling(len(train.ids))
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
