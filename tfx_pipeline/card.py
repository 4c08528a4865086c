"""The model card: what a version is, readable from disk and through any TF Serving client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation.baselines import (
    Labelled,
    anomaly_baselines,
    classification_baselines,
)
from tfx_pipeline.evaluation.metrics import anomaly_metrics, as_json, classification_metrics
from tfx_pipeline.model.calibration import Calibration
from tfx_pipeline.model.encoder import Encoder

if TYPE_CHECKING:
    from tfx_pipeline.training.scoring import Scored


def describe(
    *,
    config: PipelineConfig,
    encoder: Encoder,
    labels: Sequence[str],
    calibration: Calibration,
    train_files: Sequence[str],
    train: Sequence[tuple[bytes, int]],
    scored: Scored,
) -> dict[str, Any]:
    """Return the card as JSON values.

    Its metrics are on the eval split, which also chose epoch and threshold; the test split is
    the Evaluator's.
    """
    seen = Labelled(
        [text.decode("utf-8", "replace") for text, _ in train],
        np.array([label for _, label in train], np.int64),
    )
    held_out = Labelled(scored.texts, scored.label_ids)
    if config.task == "anomaly":
        scores = calibration.score(scored.logits[:, 0])
        metrics = anomaly_metrics(scores, scored.label_ids == 1, calibration.threshold)
        baselines = anomaly_baselines(seen, held_out, held_out)
    else:
        metrics = classification_metrics(scored.logits.argmax(axis=1), scored.label_ids)
        baselines = classification_baselines(seen, held_out)
    card: dict[str, Any] = {
        "name": config.name,
        "task": config.task,
        "labels": list(labels),
        "text": config.data.text,
        "text_cleaning": [rule.model_dump() for rule in config.text_cleaning],
        "encoder": {
            "preset": encoder.preset,
            "sha256": encoder.sha256,
            "max_length": config.encoder.max_length,
        },
        "data": {
            "fingerprint": _fingerprint(train_files),
            "train": len(seen.ids),
            "eval": len(held_out.ids),
        },
        "metrics": as_json(metrics),
        "baselines": {name: as_json(values) for name, values in baselines.items()},
        "config": json.loads(config.model_dump_json()),
    }
    if config.task == "anomaly":
        card["thresholds"] = {"alert": calibration.threshold}
        card["calibration"] = {"slope": calibration.slope, "offset": calibration.offset}
    return card


def _fingerprint(files: Sequence[str]) -> str:
    """Hash the training files' contents, in the order of their names."""
    whole = hashlib.sha256()
    for name in files:
        with Path(name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
