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
import tensorflow_transform as tft

from tfx_pipeline import card, export, features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.model.calibration import Calibration, budget_threshold, fit_calibration
from tfx_pipeline.model.encoder import find_encoder
from tfx_pipeline.model.novelty import REFERENCES, choose_references
from tfx_pipeline.progress import log
from tfx_pipeline.training.batches import TARGET, expand, read_examples
from tfx_pipeline.training.cross_validation import cross_validate, folds_of, part
from tfx_pipeline.training.fine_tuning import FineTuning, fingerprint
from tfx_pipeline.training.scoring import Scored, compiled, score

# Around 0 in quarters: beyond, a tag would have to be e^4 times likelier than the model says.
_SHIFTS = np.arange(-4.0, 2.25, 0.25)


# In microseconds.
_DAY = 86_400_000_000


def run_fn(fn_args: Any) -> None:
    """Train on the transformed examples and write the SavedModel (TFX's `run_fn`)."""
    config = PipelineConfig.model_validate_json(fn_args.custom_config["config"])
    keras.utils.set_random_seed(config.training.seed)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    labels = label_names(config, transform)
    spec = transform.transformed_feature_spec()
    train_files, eval_files = expand(fn_args.train_files), expand(fn_args.eval_files)
    train = read_examples(train_files, spec)
    evaluation = read_examples(eval_files, spec)
    counts = {"train": _count(train), "eval": _count(evaluation)}
    if config.task in ("anomaly", "classification"):
        # Labels training never showed cannot be learned or judged; the importer counts them.
        evaluation = evaluation.filter(lambda example: example[TARGET] >= 0)
    if config.training.folds:
        train_files += eval_files
    encoder = find_encoder(config.encoder)
    checkpoints = checkpoint_folder(fn_args.serving_model_dir, config, train_files)
    # The last blessed version, which the first run has not.
    before = Path(fn_args.base_model) if fn_args.base_model else None
    tuning = FineTuning(config, encoder, labels, checkpoints, before)
    tokens = 4 * config.training.batch_tokens
    if config.training.folds:
        train = train.concatenate(evaluation)
        folds = folds_of(tuning, train)
        chosen = cross_validate(tuning, train, folds)
        model = tuning.run(train, None, stop_after=chosen.epochs)
        run, scored = compiled(model), chosen.scored
        judged = [
            (part(train, folds != fold), part(train, folds == fold)) for fold in np.unique(folds)
        ]
    else:
        model = tuning.run(train, evaluation)
        run = compiled(model)
        scored = score(run, evaluation, tokens)
        judged = [(train, evaluation)]
    if config.task == "token":
        scored = shift_outside(model, labels, scored)
    calibration = calibrate(config, scored, train if config.training.folds else evaluation)
    references = choose_references(
        _normalised(score(run, _sample(train, config), tokens).pooled),
        config.training.seed,
    )
    description = card.describe(
        config=config,
        encoder=encoder,
        labels=labels,
        calibration=calibration,
        train_files=train_files,
        counts=counts,
        judged=[
            (list(seen.as_numpy_iterator()), list(held_out.as_numpy_iterator()))
            for seen, held_out in judged
        ],
        scored=scored,
    )
    export.save(
        path=fn_args.serving_model_dir,
        config=config,
        encoder=encoder,
        model=model,
        labels=labels,
        calibration=calibration,
        references=references,
        transform=transform,
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


def label_names(config: PipelineConfig, transform: tft.TFTransformOutput) -> tuple[str, ...]:
    """Return the labels in the order of their ids."""
    if config.task == "anomaly":
        return features.ANOMALY_LABELS
    if config.task == "regression":
        return ()
    vocabulary = transform.vocabulary_by_name(features.LABEL_VOCABULARY)
    names = tuple(label.decode("utf-8") for label in vocabulary)
    if config.task == "token":
        return (features.OUTSIDE, *(f"{side}-{name}" for name in names for side in "BI"))
    return names


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
    outside = labels.index(features.OUTSIDE)

    def moved(shift: float) -> Scored:
        logits = scored.logits.copy()
        logits[:, outside] += shift
        return dataclasses.replace(scored, logits=logits)

    figures = {
        float(shift): card.measure("token", labels, Calibration(), moved(shift))["entity_f1"]
        for shift in _SHIFTS
    }
    # Of equals the smallest; NaN, where no text has an entity, is below all.
    best = max(figures, key=lambda s: (np.nan_to_num(figures[s], nan=-1.0), -abs(s)))
    log.info("  logit of O %+.2f: entity_f1 %.4f → %.4f", best, figures[0.0], figures[best])
    bias = model.get_layer("head").get_layer("logits").bias
    bias.assign(bias + best * np.eye(len(labels), dtype=np.float32)[outside])
    return moved(best)


def _sample(train: tf.data.Dataset, config: PipelineConfig) -> tf.data.Dataset:
    """Draw the training examples among which the reference embeddings are chosen."""
    count = _count(train)
    keep = min(1.0, 2 * REFERENCES / max(count, 1))
    step = math.ceil(1 / keep)
    return train.shard(step, config.training.seed % step)


def _count(examples: tf.data.Dataset) -> int:
    return sum(1 for _ in examples)


def _normalised(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
