"""What a training works on, and the training that chooses: the Trainer's and a trial's alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from tfx_pipeline import features, versions
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.model.encoder import Encoder, find_encoder
from tfx_pipeline.model.graph import compiled
from tfx_pipeline.training.batches import TARGET, expand, read_examples
from tfx_pipeline.training.cross_validation import cross_validate, folds_of, part
from tfx_pipeline.training.fine_tuning import FineTuning
from tfx_pipeline.training.scoring import Scored, score
from tfx_pipeline.training.watching import Watch


@dataclass(frozen=True)
class Material:
    """The transformed examples, and what is learned from them.

    `train` and `evaluation` are as `read_examples` gives them, `counts` their events. `before` is
    the version to start from, None to start from the encoder.
    """

    config: PipelineConfig
    labels: tuple[str, ...]
    encoder: Encoder
    transform: tft.TFTransformOutput
    train: tf.data.Dataset
    evaluation: tf.data.Dataset
    counts: dict[str, int]
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    before: str | None

    @classmethod
    def read(cls, fn_args: Any) -> Material:
        """Read what TFX gives a Trainer and a Tuner."""
        config = PipelineConfig.model_validate_json(fn_args.custom_config["config"])
        transform = tft.TFTransformOutput(fn_args.transform_graph_path)
        spec = transform.transformed_feature_spec()
        train_files, eval_files = expand(fn_args.train_files), expand(fn_args.eval_files)
        train = read_examples(train_files, spec)
        evaluation = read_examples(eval_files, spec)
        counts = {"train": count(train), "eval": count(evaluation)}
        if config.task in ("anomaly", "classification"):
            # Labels training never showed cannot be learned or judged; the importer counts them.
            evaluation = evaluation.filter(lambda example: example[TARGET] >= 0)
        return cls(
            config=config,
            labels=label_names(config, transform),
            encoder=find_encoder(config.encoder),
            transform=transform,
            train=train,
            evaluation=evaluation,
            counts=counts,
            train_files=tuple(train_files),
            eval_files=tuple(eval_files),
            # The last blessed version, or the last that was pushed; a first run has neither.
            before=fn_args.base_model or versions.newest(fn_args.custom_config["pushed"]),
        )

    def with_config(self, config: PipelineConfig) -> Material:
        """Return the same examples to be learned from in another way."""
        return replace(self, config=config)

    @property
    def learned_files(self) -> tuple[str, ...]:
        """The files that the model learns from: with folds those of eval too."""
        return self.train_files + (self.eval_files if self.config.training.folds else ())

    @property
    def learned(self) -> tf.data.Dataset:
        """The examples that the model learns from."""
        if not self.config.training.folds:
            return self.train
        return self.train.concatenate(self.evaluation)

    @property
    def held_out(self) -> tf.data.Dataset:
        """The examples by which threshold and calibration are chosen."""
        return self.learned if self.config.training.folds else self.evaluation

    def fine_tuning(self, checkpoints: Path | None) -> FineTuning:
        """Return the training of this material, its state kept in `checkpoints`."""
        return FineTuning(self.config, self.encoder, self.labels, checkpoints, self.before)


@dataclass(frozen=True)
class Validated:
    """What the held-out events chose.

    `scored` are they, as a model saw them that had not learned from them. `model` is that model;
    with folds there is none yet, and `epochs` says how long it is to be trained. `judged` are the
    examples seen and held out, once for each fold.
    """

    scored: Scored
    model: keras.Model | None
    epochs: int | None
    judged: Sequence[tuple[tf.data.Dataset, tf.data.Dataset]]


def validate(tuning: FineTuning, material: Material, watch: Watch) -> Validated:
    """Train, and choose epochs on the eval split, or on folds of both splits."""
    if material.config.training.folds:
        learned = material.learned
        folds = folds_of(tuning, learned)
        chosen = cross_validate(tuning, learned, folds, watch)
        judged = [
            (part(learned, folds != fold), part(learned, folds == fold))
            for fold in np.unique(folds)
        ]
        return Validated(chosen.scored, None, chosen.epochs, judged)
    model = tuning.run(material.train, material.evaluation, watch.callbacks())
    tokens = 4 * material.config.training.batch_tokens
    scored = score(compiled(model), material.evaluation, tokens)
    return Validated(scored, model, None, [(material.train, material.evaluation)])


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


def count(examples: tf.data.Dataset) -> int:
    """Return how many examples there are."""
    return sum(1 for _ in examples)
