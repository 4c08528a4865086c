"""Keras metrics of the tasks that Keras has none for. Both are better when higher."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class Pearson(keras.metrics.Metric):
    """Pearson's r between targets float[n] and predictions float[n, 1], from running sums."""

    def __init__(self, name: str = "pearson", **options: Any) -> None:
        super().__init__(name=name, **options)
        # Weight, Σx, Σy, Σx², Σy², Σxy.
        self.sums = self.add_weight(shape=(6,), initializer="zeros", name="sums")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        x = tf.reshape(tf.cast(y_true, tf.float32), [-1])
        y = tf.reshape(tf.cast(y_pred, tf.float32), [-1])
        w = tf.ones_like(x) if sample_weight is None else tf.reshape(sample_weight, [-1])
        terms = tf.stack([tf.ones_like(x), x, y, x * x, y * y, x * y])
        self.sums.assign_add(tf.reduce_sum(terms * w, axis=1))

    def result(self) -> Any:
        """Return r, 0 where one side does not vary."""
        n, x, y, xx, yy, xy = tf.unstack(tf.convert_to_tensor(self.sums))
        covariance = n * xy - x * y
        spread = tf.sqrt(tf.maximum(n * xx - x * x, 0.0) * tf.maximum(n * yy - y * y, 0.0))
        return tf.math.divide_no_nan(covariance, spread)


class EntityF1(keras.metrics.Metric):
    """Entity F1 as conlleval has it, over tag ids: O is 0, B- of type t 2t + 1, I- 2t + 2.

    An entity is right when its type and both its ends are (Tjong Kim Sang & De Meulder 2003).
    Targets int[n, T], logits float[n, T, k]; what has weight 0 is no part of the text.
    """

    def __init__(self, name: str = "entity_f1", **options: Any) -> None:
        super().__init__(name=name, **options)
        # Right, predicted and true entities.
        self.counts = self.add_weight(shape=(3,), initializer="zeros", name="counts")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        truth = tf.cast(y_true, tf.int32)
        guess = tf.argmax(y_pred, axis=-1, output_type=tf.int32)
        known = tf.ones_like(truth, tf.bool) if sample_weight is None else sample_weight > 0
        # An O after each text keeps entities from reaching into the next one.
        truth, guess = (
            tf.reshape(
                tf.pad(tf.ragged.boolean_mask(tags, known).to_tensor(0), [[0, 0], [0, 1]]), [-1]
            )
            for tags in (truth, guess)
        )
        begins, ends = _edges(truth)
        guessed_begins, guessed_ends = _edges(guess)
        both = begins & guessed_begins & (_kind(truth) == _kind(guess))
        # Since the last place where either side began, has either begun alone?
        run = tf.cumsum(tf.cast(begins | guessed_begins, tf.int32))
        together = tf.math.segment_max(tf.cast(both, tf.int32), run)
        right = ends & guessed_ends & (tf.gather(together, run) > 0)
        counts = [tf.reduce_sum(tf.cast(x, tf.float32)) for x in (right, guessed_begins, begins)]
        self.counts.assign_add(tf.stack(counts))

    def result(self) -> Any:
        """Return F1, 0 where there is no entity."""
        right, given, wanted = tf.unstack(tf.convert_to_tensor(self.counts))
        return tf.math.divide_no_nan(2 * right, given + wanted)


def _kind(tags: tf.Tensor) -> tf.Tensor:
    """Return the type of each tag, -1 for O."""
    return tf.where(tags > 0, (tags - 1) // 2, -1)


def _edges(tags: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Say where entities begin and where they end; bool[n] each."""
    kind = _kind(tags)
    inside = (tags > 0) & (tags % 2 == 0)
    before = tf.concat([[-1], kind[:-1]], axis=0)
    goes_on = inside & (kind == before)
    begins = (tags > 0) & ~goes_on
    ends = (tags > 0) & ~tf.concat([goes_on[1:], [False]], axis=0)
    return begins, ends
