"""Logits to what a signature answers, by task; in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_pipeline.model.calibration import Calibration
from tfx_pipeline.preprocessing import Pieces

Outputs = dict[str, tf.Tensor]


def classified(logits: tf.Tensor, labels: Sequence[str]) -> Outputs:
    """Return `label` string[n], its probability `score` and all `scores` float32[n, k]."""
    scores = tf.nn.softmax(logits)
    return {
        "label": tf.gather(tf.constant(list(labels)), tf.argmax(scores, axis=1)),
        "score": tf.reduce_max(scores, axis=1),
        "scores": scores,
    }


def anomalous(logits: tf.Tensor, labels: Sequence[str], calibration: Calibration) -> Outputs:
    """Return `label` string[n] and the calibrated anomaly probability `score` float32[n]."""
    score = tf.sigmoid(calibration.slope * logits[:, 0] + calibration.offset)
    alert = tf.cast(score >= calibration.threshold, tf.int32)
    return {"label": tf.gather(tf.constant(list(labels)), alert), "score": score}


def tagged(pieces: Pieces, logits: tf.Tensor, labels: Sequence[str]) -> Outputs:
    """Return a tag for each unit; logits are float32[n, pieces, k].

    `begin`, `end` int32[n, T] are bytes of the text, `tag` string[n, T], `score` float32[n, T]
    its probability, `length` int32[n] how many of the T are the text's own.
    """
    unit = pieces.unit
    begins = unit.flat_values
    # [CLS] and [SEP] join the unit before them, at offset 0: they never move an end.
    number = tf.cumsum(tf.cast(begins, tf.int32))
    end = tf.math.segment_max(pieces.end.flat_values, number)
    end = tf.gather(end, tf.boolean_mask(number, begins))
    known = tf.ragged.boolean_mask(tf.RaggedTensor.from_tensor(logits, unit.row_lengths()), unit)
    scores = tf.nn.softmax(known.flat_values)
    lengths = tf.reduce_sum(tf.cast(unit, tf.int32), axis=1)

    def dense(values: tf.Tensor, padding: Any) -> tf.Tensor:
        return tf.RaggedTensor.from_row_lengths(values, lengths).to_tensor(padding)

    begin = tf.boolean_mask(pieces.begin.flat_values, begins)
    return {
        "begin": dense(tf.cast(begin, tf.int32), 0),
        "end": dense(tf.cast(end, tf.int32), 0),
        "tag": dense(tf.gather(tf.constant(list(labels)), tf.argmax(scores, axis=1)), ""),
        "score": dense(tf.reduce_max(scores, axis=1), 0.0),
        "length": lengths,
    }


def all_classes(answer: Outputs, labels: Sequence[str]) -> Outputs:
    """Return every class with its score, as the Classify API has them.

    `classes` string[n, k] and `scores` float32[n, k], in the order of the labels.
    """
    scores = answer.get("scores")
    if scores is None:
        scores = tf.stack([1.0 - answer["score"], answer["score"]], axis=1)
    return {"classes": tf.tile(tf.constant([list(labels)]), [tf.shape(scores)[0], 1])} | {
        "scores": scores
    }
