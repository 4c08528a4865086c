"""The Trainer's entry point: fine-tune, calibrate, describe, export."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from tfx_pipeline import card, export, features, precision
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.model.calibration import Calibration, fit_calibration
from tfx_pipeline.model.encoder import Encoder, find_encoder, load_backbone
from tfx_pipeline.model.heads import build_model
from tfx_pipeline.model.novelty import REFERENCES, choose_references
from tfx_pipeline.progress import EpochProgress, log
from tfx_pipeline.training.batches import TARGET, bucket, expand, read_examples
from tfx_pipeline.training.objective import learnable, objective
from tfx_pipeline.training.schedule import WarmupLinearDecay
from tfx_pipeline.training.scoring import Scored, compiled, score


def run_fn(fn_args: Any) -> None:
    """Train on the transformed examples and write the SavedModel (TFX's `run_fn`)."""
    config = PipelineConfig.model_validate_json(fn_args.custom_config["config"])
    keras.utils.set_random_seed(config.training.seed)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    labels = label_names(config, transform)
    spec = transform.transformed_feature_spec()
    train_files = expand(fn_args.train_files)
    train = read_examples(train_files, spec)
    evaluation = read_examples(expand(fn_args.eval_files), spec)
    if config.task in ("anomaly", "classification"):
        # Labels training never showed cannot be learned or judged; the importer counts them.
        evaluation = evaluation.filter(lambda example: example[TARGET] >= 0)
    encoder = find_encoder(config.encoder)
    model = fine_tune(config, encoder, labels, train, evaluation)

    run = compiled(model)
    tokens = 4 * config.training.batch_tokens
    scored = score(run, evaluation, tokens)
    calibration = calibrate(config, scored)
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
        train=list(train.as_numpy_iterator()),
        evaluation=list(evaluation.as_numpy_iterator()),
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


def fine_tune(
    config: PipelineConfig,
    encoder: Encoder,
    labels: tuple[str, ...],
    train: tf.data.Dataset,
    evaluation: tf.data.Dataset,
) -> keras.Model:
    """Train with AdamW, warm-up and early stopping; return the weights of the best epoch."""
    training = config.training
    policy = "float32" if precision.resolve(training.precision) == "float32" else "mixed_bfloat16"
    backbone = load_backbone(encoder, policy)
    model = build_model(backbone, config.task, len(labels), training.dropout, config.encoder)
    learner = keras.Model(model.input, model.output["logits"])

    weights = class_weights(config, train, len(labels))
    batches = bucket(train, training.batch_tokens, training.seed).map(learnable(weights))
    held_out = bucket(evaluation, training.batch_tokens).map(learnable(None))
    # Which bucket a row falls into does not change, so every epoch has as many batches.
    steps = sum(1 for _ in batches)
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    optimizer = keras.optimizers.AdamW(
        WarmupLinearDecay(training.learning_rate, steps * training.epochs, training.warmup),
        weight_decay=training.weight_decay,
        global_clipnorm=training.clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    loss, metric = objective(config.task)
    learner.compile(optimizer, loss, weighted_metrics=[metric], jit_compile=False)
    log.info(
        "  %s, %s, %d batches an epoch, %d epochs at most",
        encoder.preset,
        policy,
        steps,
        training.epochs,
    )
    learner.fit(
        batches,
        validation_data=held_out,
        epochs=training.epochs,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor=f"val_{metric.name}",
                mode="max",
                patience=training.patience,
                restore_best_weights=True,
            ),
            EpochProgress(training.epochs, steps),
        ],
    )
    return model


def class_weights(
    config: PipelineConfig, train: tf.data.Dataset, classes: int
) -> npt.NDArray[np.float32] | None:
    """Return the weight of each class, mean 1 over the training set, or None for no weights."""
    if config.training.class_weight == "none":
        return None
    ids = np.fromiter((e[TARGET] for e in train.as_numpy_iterator()), np.int64)
    counts = np.maximum(np.bincount(ids, minlength=classes), 1)
    weights = np.sqrt(len(ids) / (classes * counts))
    return (weights * len(ids) / (weights * counts).sum()).astype(np.float32)


def calibrate(config: PipelineConfig, scored: Scored) -> Calibration:
    """Fit the anomaly score on the eval split; other tasks keep their softmax."""
    if config.task != "anomaly":
        return Calibration()
    return fit_calibration(scored.logits[:, 0], scored.targets == 1)


def _sample(train: tf.data.Dataset, config: PipelineConfig) -> tf.data.Dataset:
    """Draw the training examples among which the reference embeddings are chosen."""
    count = sum(1 for _ in train)
    keep = min(1.0, 2 * REFERENCES / max(count, 1))
    step = math.ceil(1 / keep)
    return train.shard(step, config.training.seed % step)


def _normalised(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
