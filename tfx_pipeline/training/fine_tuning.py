"""Fine-tuning: from a pretrained encoder and examples to the model of the best epoch."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline import features, precision
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation.baselines import template_weights
from tfx_pipeline.model.encoder import Encoder, load_backbone, load_vocabulary
from tfx_pipeline.model.heads import build_model
from tfx_pipeline.model.lora import merged_weights, restrict
from tfx_pipeline.progress import EpochProgress, log
from tfx_pipeline.training.augmentation import augmented
from tfx_pipeline.training.averaging import StochasticWeightAverage
from tfx_pipeline.training.batches import TARGET, bucket
from tfx_pipeline.training.learner import Learner
from tfx_pipeline.training.objective import learnable, objective
from tfx_pipeline.training.optimizer import build_optimizer
from tfx_pipeline.training.warm_start import warm_start

# How many word pieces the linear part counts at once.
_WIDE_TOKENS = 2048


@dataclass(frozen=True)
class FineTuning:
    """What a fine-tuning starts from.

    `checkpoints` is where its state is kept after each epoch, None to keep none; `before` an
    earlier version to start from, None to start from the encoder.
    """

    config: PipelineConfig
    encoder: Encoder
    labels: tuple[str, ...]
    checkpoints: Path | None = None
    before: str | None = None

    def run(
        self,
        train: tf.data.Dataset,
        evaluation: tf.data.Dataset | None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        stop_after: int | None = None,
    ) -> keras.Model:
        """Train, and return the model with the weights of the epoch that `evaluation` likes best.

        With a `patience` of 0 `evaluation` is only reported.

        Without `evaluation` all epochs are trained, or `stop_after` of them, and the last weights
        count; the learning rate falls as if all were. On several GPUs each takes its part of
        every batch.
        """
        config, training = self.config, self.config.training
        epochs = stop_after or training.epochs
        policy = precision.policy(training.precision)
        with strategy().scope():
            backbone = load_backbone(self.encoder, policy, config.encoder.word_shapes)
            restrict(
                backbone,
                training.lora_rank,
                training.freeze_layers,
                config.encoder.word_shapes,
            )
            network = self._network(backbone)
            if self.before is not None:
                warm_start(network, config, self.encoder, self.labels, self.before)
            if training.template_weight == "root":
                train = template_weighted(train)
            if training.wide:
                seen = bucket(train, _WIDE_TOKENS).map(learnable(None))
                network.get_layer("wide").fit(seen, len(self.labels))
            learner = Learner(network, training)
            batches = self._batches(train)
            steps = int(batches.cardinality())
            optimizer = build_optimizer(training, backbone.num_layers, steps * training.epochs)
            loss, metric = objective(config.task, training)
            learner.compile(optimizer, loss, weighted_metrics=[metric], jit_compile=False)
            # In the graph of the first batch its variables would each be created by a branch.
            learner.optimizer.build(learner.trainable_variables)
        log.info(
            "  %s, %s, %d batches an epoch, %d epochs at most",
            self.encoder.preset,
            policy,
            steps,
            epochs,
        )
        held_out = evaluation and bucket(evaluation, training.batch_tokens).map(learnable(None))
        learner.fit(
            batches,
            validation_data=held_out,
            epochs=epochs,
            verbose=0,
            callbacks=[
                *self._keeping(evaluation is not None, metric.name),
                *callbacks,
                EpochProgress(epochs, steps),
            ],
        )
        if training.lora_rank == 0:
            return network
        whole = self._network(load_backbone(self.encoder, policy, config.encoder.word_shapes))
        whole.set_weights(merged_weights(network))
        return whole

    def _network(self, backbone: Any) -> keras.Model:
        config = self.config
        return build_model(
            backbone,
            config.task,
            len(self.labels),
            config.training.dropout,
            config.encoder,
            load_vocabulary(self.encoder)[0] if config.training.wide else (),
        )

    def _batches(self, train: tf.data.Dataset) -> tf.data.Dataset:
        training = self.config.training
        weights = class_weights(self.config, train, len(self.labels))
        batches = bucket(train, training.batch_tokens)
        # Which bucket a row falls into does not change, so every epoch has as many batches; what
        # augmentation makes of a text may change it, and then this many are taken.
        steps = sum(1 for _ in batches)
        train = augmented(train, self.config)
        batches = bucket(train, training.batch_tokens, training.seed).map(learnable(weights))
        if training.augmentation.of_words:
            batches = batches.repeat().take(steps)
        return batches.apply(tf.data.experimental.assert_cardinality(steps))

    def _keeping(self, judged: bool, metric: str) -> list[keras.callbacks.Callback]:
        """Return the callbacks that decide which weights remain, in the order they need."""
        training = self.config.training
        kept: list[keras.callbacks.Callback] = []
        if self.checkpoints is not None:
            kept.append(
                keras.callbacks.BackupAndRestore(str(self.checkpoints), delete_checkpoint=True)
            )
        if training.average == "ema":
            kept.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
        if training.average == "swa":
            kept.append(StochasticWeightAverage(first=training.epochs // 2))
        if judged and training.patience:
            kept.append(
                keras.callbacks.EarlyStopping(
                    monitor=f"val_{metric}",
                    mode="max",
                    patience=training.patience,
                    restore_best_weights=True,
                )
            )
        return kept


def strategy() -> tf.distribute.Strategy:
    """Return Keras' way onto the devices of this machine: all GPUs where there are several.

    Without a GPU it is all logical CPUs, of which there is one unless someone asks for more.
    """
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) > 1:
        return _mirrored(tuple(device.name for device in devices))
    return tf.distribute.get_strategy()


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """Return the one strategy of a process.

    A second one would number its collective operations from the start again, and TensorFlow would
    take them for those of the first: a training of other shapes, as of a Tuner's trial, would fail.
    """
    return tf.distribute.MirroredStrategy(devices)


def fingerprint(config: PipelineConfig, files: Sequence[str]) -> str:
    """Name what a checkpoint may go on with: the same config on the same files."""
    whole = hashlib.sha256(config.model_dump_json().encode())
    for name in files:
        with Path(name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


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


def template_weighted(train: tf.data.Dataset) -> tf.data.Dataset:
    """Weigh each event by one over the root of the events of its template; mean 1."""
    weights = template_weights(
        [example[features.TEXT].decode("utf-8", "replace") for example in train.as_numpy_iterator()]
    ).astype(np.float32)
    paired = tf.data.Dataset.zip((train, tf.data.Dataset.from_tensor_slices(weights)))
    return paired.map(
        lambda example, weight: {**example, features.WEIGHT: example[features.WEIGHT] * weight}
    )
