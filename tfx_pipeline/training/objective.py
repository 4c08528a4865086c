"""What each task minimises, and by which figure its best epoch is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline import features
from tfx_pipeline.config import TrainingConfig
from tfx_pipeline.training.batches import TARGET
from tfx_pipeline.training.losses import LabelLoss
from tfx_pipeline.training.task_metrics import EntityF1, Pearson


def objective(
    task: str, training: TrainingConfig
) -> tuple[keras.losses.Loss, keras.metrics.Metric]:
    """Return a task's loss on logits and the metric that is better when higher."""
    if task == "regression":
        return keras.losses.MeanSquaredError(), Pearson(name="pearson")
    smoothed = {"smoothing": training.label_smoothing, "focal": training.focal}
    if task == "anomaly":
        return LabelLoss(**smoothed), keras.metrics.AUC(curve="PR", from_logits=True, name="auc_pr")
    if task == "classification":
        return LabelLoss(**smoothed), keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    # The mean is over the pieces that have a tag, however much padding stands beside them.
    return LabelLoss(**smoothed, reduction="mean_with_sample_weight"), EntityF1(name="entity_f1")


def learnable(weights: npt.NDArray[np.float32] | None) -> Callable[..., Any]:
    """Return the function from a batch to Keras' (inputs, targets, weights).

    `weights` f32[classes] multiply those of the examples. A token task's targets and weights
    are [n, T]: the weight is 0 where a piece has no tag.
    """

    def split(batch: dict[str, Any]) -> tuple[Any, tf.Tensor, tf.Tensor]:
        target, weight = batch[TARGET], batch[features.WEIGHT]
        if target.shape.rank == 2:
            weight = weight[:, None] * tf.cast(target >= 0, tf.float32)
            target = tf.maximum(target, 0)
        if weights is not None:
            weight = weight * tf.gather(tf.constant(weights), target)
        return batch["inputs"], target, weight

    return split
