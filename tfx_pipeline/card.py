"""The model card: what a version is, readable from disk and through any TF Serving client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfx_pipeline import features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation.baselines import (
    Labelled,
    anomaly_baselines,
    classification_baselines,
    regression_baselines,
    token_baselines,
)
from tfx_pipeline.evaluation.metrics import (
    anomaly_metrics,
    as_json,
    classification_metrics,
    entities,
    entity_metrics,
    regression_metrics,
)
from tfx_pipeline.model.calibration import Calibration
from tfx_pipeline.model.encoder import Encoder
from tfx_pipeline.training.batches import TARGET

if TYPE_CHECKING:
    from tfx_pipeline.training.scoring import Scored


def describe(
    *,
    config: PipelineConfig,
    encoder: Encoder,
    labels: Sequence[str],
    calibration: Calibration,
    train_files: Sequence[str],
    counts: Mapping[str, int],
    judged: Sequence[tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]],
    scored: Scored,
) -> dict[str, Any]:
    """Return the card as JSON values.

    Its metrics are on the eval split, or on the folds, which also chose epoch and threshold; the
    test split is the Scorecard's. `judged` are the examples that were seen and held out, once for
    each fold; a baseline's figure is the mean over them.
    """
    metrics = measure(config.task, labels, calibration, scored)
    baselines = _mean([_baselines(config.task, *pair) for pair in judged])
    card: dict[str, Any] = {
        "name": config.name,
        "task": config.task,
        "labels": list(labels),
        "text": config.data.text,
        "text_cleaning": [rule.model_dump(exclude_defaults=True) for rule in config.text_cleaning],
        "encoder": {
            "preset": encoder.preset,
            "sha256": encoder.sha256,
            "max_length": config.encoder.max_length,
        },
        "data": {
            "fingerprint": _fingerprint(train_files),
            **counts,
            "folds": config.training.folds,
        },
        "metrics": as_json(metrics),
        "baselines": {name: as_json(values) for name, values in baselines.items()},
        "config": json.loads(config.model_dump_json()),
    }
    if config.task == "anomaly":
        card["thresholds"] = {"alert": calibration.threshold}
        card["calibration"] = {"slope": calibration.slope, "offset": calibration.offset}
    return card


def measure(
    task: str, labels: Sequence[str], calibration: Calibration, scored: Scored
) -> dict[str, float]:
    """Return the task's figures of a scored split."""
    if task == "anomaly":
        scores = calibration.score(scored.logits[:, 0])
        return anomaly_metrics(scores, scored.targets == 1, calibration.threshold)
    if task == "regression":
        return regression_metrics(scored.logits[:, 0], scored.targets)
    if task == "classification":
        return classification_metrics(scored.logits.argmax(axis=1), scored.targets)
    ends = np.cumsum(scored.counts)[:-1]
    given = [_entities(ids, labels) for ids in np.split(scored.logits.argmax(axis=1), ends)]
    wanted = [_entities(ids, labels) for ids in np.split(scored.targets, ends)]
    return entity_metrics(
        np.array([len(a & b) for a, b in zip(given, wanted, strict=True)]),
        np.array([len(found) for found in given]),
        np.array([len(found) for found in wanted]),
    )


def _mean(found: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Return each baseline's mean figures, over the folds in which it has them."""
    means: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(name for one in found for name in one):
        rows = [one[name] for one in found if name in one]
        columns = {metric: [row[metric] for row in rows] for metric in rows[0]}
        means[name] = {
            metric: float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
            for metric, values in columns.items()
        }
    return means


def _entities(ids: npt.NDArray[np.int64], labels: Sequence[str]) -> set[tuple[str, int, int]]:
    return entities([labels[number] for number in ids])


def _baselines(
    task: str, train: Sequence[Mapping[str, Any]], evaluation: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    if task == "regression":
        return regression_baselines(_valued(train), _valued(evaluation))
    if task == "token":
        return token_baselines(_tagged(train), _tagged(evaluation))
    seen, held_out = _labelled(train), _labelled(evaluation)
    if task == "anomaly":
        return anomaly_baselines(seen, held_out, held_out)
    return classification_baselines(seen, held_out)


def _labelled(examples: Sequence[Mapping[str, Any]]) -> Labelled:
    ids = np.array([example[TARGET] for example in examples], np.int64)
    return Labelled([_text(example) for example in examples], ids)


def _valued(examples: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    return [(_text(example), float(example[TARGET])) for example in examples]


def _tagged(examples: Sequence[Mapping[str, Any]]) -> list[list[tuple[str, str]]]:
    return [
        [
            (word, tag.decode("utf-8"))
            for word, tag in zip(_text(example).split(" "), example[features.TAGS], strict=True)
        ]
        for example in examples
    ]


def _text(example: Mapping[str, Any]) -> str:
    return example[features.TEXT].decode("utf-8", "replace")


def _fingerprint(files: Sequence[str]) -> str:
    """Hash the training files' contents, in the order of their names."""
    whole = hashlib.sha256()
    for name in files:
        with Path(name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
