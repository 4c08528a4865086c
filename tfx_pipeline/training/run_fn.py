"""The Trainer's entry point: fine-tune, calibrate, describe, export."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline import card, export, features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.model.calibration import Calibration, budget_threshold, fit_calibration
from tfx_pipeline.model.graph import compiled
from tfx_pipeline.model.novelty import REFERENCES, choose_references
from tfx_pipeline.progress import log
from tfx_pipeline.training.fine_tuning import fingerprint
from tfx_pipeline.training.history import History
from tfx_pipeline.training.material import Material, count, validate
from tfx_pipeline.training.pooling import scale
from tfx_pipeline.training.scoring import Scored, score

# Around 0 in quarters: beyond, a tag would have to be e^4 times likelier than the model says.
_SHIFTS = np.arange(-4.0, 2.25, 0.25)


# In microseconds.
_DAY = 86_400_000_000


def run_fn(fn_args: Any) -> None:
    """Train on the transformed examples and write the SavedModel (TFX's `run_fn`)."""
    material = Material.read(fn_args)
    if fn_args.hyperparameters:
        # What the Tuner found best.
        material = material.with_config(
            material.config.with_values(fn_args.hyperparameters["values"])
        )
    config, labels = material.config, material.labels
    keras.utils.set_random_seed(config.training.seed)
    tuning = material.fine_tuning(
        checkpoint_folder(fn_args.serving_model_dir, config, material.learned_files)
    )
    history = History(features.MAIN_METRIC[config.task])
    found = validate(tuning, material, history)
    history.write(fn_args.model_run_dir)
    model = found.model
    if model is None:
        model = tuning.run(material.learned, None, stop_after=found.epochs)
    scored = found.scored
    if config.task == "token":
        scored = shift_outside(model, labels, scored)
    if scored.parts is not None:
        scored = scale(model, scored)
    calibration = calibrate(config, scored, material.held_out)
    tokens = 4 * config.training.batch_tokens
    references = choose_references(
        _normalised(score(compiled(model), _sample(material.learned, config), tokens).pooled),
        config.training.seed,
    )
    description = card.describe(
        config=config,
        encoder=material.encoder,
        labels=labels,
        calibration=calibration,
        train_files=material.learned_files,
        counts=material.counts,
        judged=[
            (list(seen.as_numpy_iterator()), list(held_out.as_numpy_iterator()))
            for seen, held_out in found.judged
        ],
        scored=scored,
    )
    export.save(
        path=fn_args.serving_model_dir,
        config=config,
        encoder=material.encoder,
        model=model,
        labels=labels,
        calibration=calibration,
        references=references,
        transform=material.transform,
        card=description,
        warmup_texts=scored.texts,
    )


def checkpoint_folder(
    model_path: str, config: PipelineConfig, train_files: Sequence[str]
) -> Path | None:
    """Return where a killed training left its state, and where this one keeps its own.

    Each run of the Trainer writes its model into a folder of its own, so the state lies beside
    them, under a name that changes with the config and the data.
    """
    if not config.training.checkpoints:
        return None
    return Path(model_path).parents[2] / "checkpoints" / fingerprint(config, train_files)


def calibrate(config: PipelineConfig, scored: Scored, held_out: tf.data.Dataset) -> Calibration:
    """Fit the anomaly score on events held out of training; other tasks keep their softmax."""
    if config.task != "anomaly":
        return Calibration()
    logits = scored.logits[:, 0]
    fitted = fit_calibration(logits, scored.targets == 1)
    budget = config.training.alerts_per_day
    if budget is None:
        return fitted
    times = [example[features.EVENT_TIME] for example in held_out.as_numpy_iterator()]
    alerts = int(budget * (max(times) - min(times)) / _DAY)
    threshold = budget_threshold(fitted.score(logits), alerts)
    log.info("  %d alerts in %d held-out events: threshold %.4f", alerts, len(times), threshold)
    return dataclasses.replace(fitted, threshold=threshold)


def shift_outside(model: keras.Model, labels: Sequence[str], scored: Scored) -> Scored:
    """Move the logit of O to where entity F1 is best on held-out texts; return them so moved.

    Cross entropy prices every word alike, and nearly all are O: what it learns raises too few
    entities. The shift goes into the bias of the head, so that it is there in serving.
    """
    best, moved = best_shift(labels, scored)
    bias = model.get_layer("head").get_layer("logits").bias
    bias.assign(bias + best * np.eye(len(labels), dtype=np.float32)[_outside(labels)])
    return moved


def best_shift(labels: Sequence[str], scored: Scored) -> tuple[float, Scored]:
    """Return the shift of O's logit that makes entity F1 best, and the texts so moved."""

    def moved(shift: float) -> Scored:
        logits = scored.logits.copy()
        logits[:, _outside(labels)] += shift
        return dataclasses.replace(scored, logits=logits)

    figures = {
        float(shift): card.measure("token", labels, Calibration(), moved(shift))["entity_f1"]
        for shift in _SHIFTS
    }
    # Of equals the smallest; NaN, where no text has an entity, is below all.
    best = max(figures, key=lambda s: (np.nan_to_num(figures[s], nan=-1.0), -abs(s)))
    log.info("  logit of O %+.2f: entity_f1 %.4f → %.4f", best, figures[0.0], figures[best])
    return best, moved(best)


def _outside(labels: Sequence[str]) -> int:
    return labels.index(features.OUTSIDE)


def _sample(train: tf.data.Dataset, config: PipelineConfig) -> tf.data.Dataset:
    """Draw the training examples among which the reference embeddings are chosen."""
    keep = min(1.0, 2 * REFERENCES / max(count(train), 1))
    step = math.ceil(1 / keep)
    return train.shard(step, config.training.seed % step)


def _normalised(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
