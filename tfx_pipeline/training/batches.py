"""Transformed examples to batches of texts of like length.

A batch holds about `batch_tokens` word pieces: many short texts or few long ones, padded only
to its own longest row. On log lines this trains several times as fast as padding to a maximum.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfx_pipeline import features

_BOUNDS = (12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_SHUFFLE = 20_000
_PADDING = {
    tf.int32: tf.constant(-1, tf.int32),
    tf.int64: tf.constant(-1, tf.int64),
    tf.float32: tf.constant(0.0),
    tf.string: tf.constant(b""),
}


def expand(patterns: Sequence[str]) -> list[str]:
    """Return the files that match glob patterns, sorted."""
    return sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))


# What an example is to be learned as, whatever the task.
TARGET = "target"


def read_examples(files: Sequence[str], spec: dict[str, object]) -> tf.data.Dataset:
    """Read transformed examples one by one.

    Each element is a dict of `token_ids` int32[pieces], `text` string, `weight` float32 (1 where
    the data has none) and, by task, `target`: the label's id int64, the value float32, or the
    tags' ids int64[pieces], -1 where a piece has none. A token task has `tags` string[tokens]
    too, an anomaly task with times `event_time` int64, microseconds since the epoch.
    """

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_single_example(record, spec)
        weight = parsed.get(features.WEIGHT, tf.constant(1.0))
        example = {
            features.TOKEN_IDS: tf.cast(tf.sparse.to_dense(parsed[features.TOKEN_IDS]), tf.int32),
            features.TEXT: tf.reshape(parsed[features.TEXT], []),
            features.WEIGHT: tf.reshape(weight, []),
        }
        if features.EVENT_TIME in parsed:
            example[features.EVENT_TIME] = tf.reshape(parsed[features.EVENT_TIME], [])
        if features.TAG_IDS in parsed:
            example[TARGET] = tf.sparse.to_dense(parsed[features.TAG_IDS])
            example[features.TAGS] = tf.sparse.to_dense(parsed[features.TAGS])
        elif features.LABEL_VALUE in parsed:
            example[TARGET] = tf.reshape(parsed[features.LABEL_VALUE], [])
        else:
            example[TARGET] = tf.reshape(parsed[features.LABEL_ID], [])
        return example

    records = tf.data.TFRecordDataset(list(files), compression_type="GZIP")
    return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)


def bucket(
    examples: tf.data.Dataset, batch_tokens: int, shuffle_seed: int | None = None
) -> tf.data.Dataset:
    """Batch examples by length; the encoder's inputs replace `token_ids` in each batch.

    With a seed the examples are shuffled anew each epoch, the same way in every run.
    """
    if shuffle_seed is not None:
        examples = examples.shuffle(_SHUFFLE, seed=shuffle_seed)
    batches = examples.bucket_by_sequence_length(
        lambda example: tf.size(example[features.TOKEN_IDS]),
        # A row of exactly `bound` pieces belongs below the boundary.
        bucket_boundaries=[bound + 1 for bound in _BOUNDS],
        bucket_batch_sizes=[max(1, batch_tokens // bound) for bound in (*_BOUNDS, 1024)],
        padding_values={name: _PADDING[spec.dtype] for name, spec in examples.element_spec.items()},
    )
    return batches.map(_with_inputs, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def _with_inputs(batch: dict[str, tf.Tensor]) -> dict[str, object]:
    ids = batch.pop(features.TOKEN_IDS)
    inputs = {
        "token_ids": tf.maximum(ids, 0),
        "padding_mask": tf.cast(ids >= 0, tf.int32),
        "segment_ids": tf.zeros_like(ids),
    }
    return {"inputs": inputs, **batch}
