"""A model as one graph, for all that ask it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


@functools.lru_cache(maxsize=1)
def compiled(model: keras.Model) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Return the model, made by `build_model`, as a function of its inputs int32[n, T].

    Its graph takes seconds to build, and is built once however many call it; within another graph
    it is a function that is called, not copied. The last one is kept, for whoever asks again.
    """
    # Of any size at once: one that finds out by the second batch is built twice.
    each = tf.TensorSpec([None, None], tf.int32)
    inputs = {"token_ids": each, "padding_mask": each, "segment_ids": each}
    return tf.function(
        lambda inputs: model(inputs, training=False), input_signature=[inputs], autograph=False
    )
