"""Texts longer than the encoder takes: overlapping windows, and one answer from them all.

The windows are cut inside the model, so that training, evaluation and serving do the same; a
text that fits is one window, and costs what it did without.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from tfx_pipeline.model.word_shapes import unpack

_REDUCTIONS = {
    "anomaly": tf.math.segment_max,
    "classification": tf.math.segment_mean,
    "regression": tf.math.segment_mean,
}


@keras.saving.register_keras_serializable(package="livebert")
class CutWindows(layers.Layer):
    """Cut int32[n, T] word pieces into windows of `max_length`, each with its [CLS] and [SEP].

    Returns the encoder's inputs int32[k, F], k windows in the order of their texts, and `text`
    int32[k], the row each window comes from. The segments are the shapes that the ids carry.
    """

    def __init__(self, max_length: int, stride: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_length = max_length
        self.stride = stride

    def call(self, token_ids: Any, padding_mask: Any) -> dict[str, Any]:
        """Cut a padded batch."""
        room, step = self.max_length - 2, self.stride
        pieces = tf.maximum(tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1) - 2, 0)
        counts = _windows(pieces, room, step)
        text = tf.repeat(tf.range(tf.shape(counts)[0]), counts)
        number = tf.range(tf.shape(text)[0]) - tf.gather(tf.cumsum(counts, exclusive=True), text)
        sizes = tf.minimum(tf.gather(pieces, text) - number * step, room)
        # One of several devices may get no text at all.
        places = tf.range(tf.maximum(tf.reduce_max(sizes), 0) + 2)[None]
        rows = tf.gather(token_ids, text)
        last = tf.shape(token_ids)[1] - 1
        ids = tf.gather(rows, tf.minimum(places + (number * step)[:, None], last), batch_dims=1)
        # A window begins as the text does, and ends as it does.
        separators = tf.gather(rows, tf.gather(pieces, text) + 1, batch_dims=1)[:, None]
        ids = tf.where(places == 0, rows[:, :1], ids)
        ids = tf.where(places == sizes[:, None] + 1, separators, ids)
        inside = places < sizes[:, None] + 2
        ids, segments = unpack(tf.where(inside, ids, 0))
        return {
            "token_ids": ids,
            "padding_mask": tf.cast(inside, tf.int32),
            "segment_ids": segments,
            "text": text,
        }

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "max_length": self.max_length, "stride": self.stride}


@keras.saving.register_keras_serializable(package="livebert")
class JoinWindows(layers.Layer):
    """Make one answer a text from those of its windows.

    `pooled` is the mean. `logits` float32[k, c] become their mean, for an anomaly their highest:
    one abnormal passage makes a text abnormal. In a token task float32[k, F, c] become
    float32[n, T, c]: each piece has the logits of the window in whose middle it stands.
    """

    def __init__(self, task: str, max_length: int, stride: int, **options: Any) -> None:
        super().__init__(**options)
        self.task = task
        self.max_length = max_length
        self.stride = stride

    def call(self, logits: Any, pooled: Any, text: Any, padding_mask: Any) -> dict[str, Any]:
        """Join; `padding_mask` int32[n, T] is that of the texts."""
        joined = tf.math.segment_mean(pooled, text)
        if self.task == "token":
            return {"logits": self._stitch(logits, padding_mask), "pooled": joined}
        return {"logits": _REDUCTIONS[self.task](logits, text), "pooled": joined}

    def _stitch(self, logits: Any, padding_mask: Any) -> Any:
        room, step = self.max_length - 2, self.stride
        pieces = tf.maximum(tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1) - 2, 0)
        counts = _windows(pieces, room, step)
        first = tf.cumsum(counts, exclusive=True)[:, None]
        places = tf.range(tf.shape(padding_mask)[1])[None] - 1
        number = tf.maximum(places - (room - step) // 2, 0) // step
        number = tf.minimum(number, counts[:, None] - 1)
        inside = tf.minimum(places - number * step + 1, tf.shape(logits)[1] - 1)
        return tf.gather_nd(logits, tf.stack([first + number, inside], axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"task": self.task, "max_length": self.max_length, "stride": self.stride}
        return {**super().get_config(), **own}


def _windows(pieces: tf.Tensor, room: int, step: int) -> tf.Tensor:
    """Return how many windows texts of so many pieces make."""
    return 1 + tf.maximum(pieces - room + step - 1, 0) // step
