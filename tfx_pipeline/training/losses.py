"""Losses that Keras has for one-hot targets only, on label ids and logits."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class LabelLoss(keras.losses.Loss):
    """Cross entropy on label ids, smoothed or focal.

    Args:
        smoothing: the share of the truth that is given to all labels alike (Szegedy et al. 2016).
        focal: the exponent that turns the loss away from what is right already (Lin et al. 2017).

    One logit means two labels, and the truth's id is 0 or 1.
    """

    def __init__(self, smoothing: float = 0.0, focal: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self._smoothing = smoothing
        self._focal = focal

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return float32[n] or float32[n, T] for ids and logits [..., k]."""
        logits = tf.cast(y_pred, tf.float32)
        if logits.shape[-1] == 1:
            # sigmoid(z) is the softmax of (0, z).
            logits = tf.concat([tf.zeros_like(logits), logits], axis=-1)
        ids = tf.cast(y_true, tf.int32)
        if ids.shape.rank == logits.shape.rank:
            ids = tf.squeeze(ids, -1)
        log_p = tf.nn.log_softmax(logits)
        right = tf.gather(log_p, ids, batch_dims=ids.shape.rank)
        if self._focal:
            right *= tf.pow(1.0 - tf.exp(right), self._focal)
        spread = tf.reduce_mean(log_p, axis=-1)
        return -((1.0 - self._smoothing) * right + self._smoothing * spread)
