"""Which parts of a text speak for the answer: integrated gradients, in the graph.

Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks": the gradient of the
score along the straight line from a text of padding to the text. The attributions of a text add
up to the score minus that of a text of padding as long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfx_pipeline.model.graph import compiled
from tfx_pipeline.model.heads import token_embedding
from tfx_pipeline.model.wide import Lesser
from tfx_pipeline.preprocessing import Pieces, encoder_inputs

_NODES = 8
_PADDING = 0

# Logits to the score that is explained, float32[n]; made for the logits of the text itself.
Score = Callable[[tf.Tensor], tf.Tensor]


def winning(task: str, logits: tf.Tensor, pieces: Pieces) -> Score:
    """Return the score to explain, before any squashing, which would hide what is sure.

    It is the winning label's logit, the anomaly's log-odds or the value; in a token task the sum
    of the winning logits of all units that belong to an entity, or of all where none does.
    """
    if task in ("anomaly", "regression"):
        return lambda given: given[:, 0]
    winner = tf.argmax(logits, axis=-1, output_type=tf.int32)
    if task == "classification":
        return lambda given: tf.gather(given, winner, batch_dims=1)
    units = tf.cast(pieces.unit, tf.float32).to_tensor()
    entities = units * tf.cast(winner > 0, tf.float32)
    none = tf.reduce_sum(entities, axis=1, keepdims=True) == 0
    counted = tf.where(none, units, entities)
    return lambda given: tf.reduce_sum(tf.gather(given, winner, batch_dims=2) * counted, axis=1)


def explain(network: keras.Model, task: str, pieces: Pieces) -> dict[str, tf.Tensor]:
    """Attribute the winning score of each text to its word pieces.

    What a linear part beside the encoder adds to the score is exact, piece by piece; of a text of
    padding it adds nothing. Where the lesser of both counts, that part alone is explained.

    Returns `token` string[n, T], the bytes of each piece as it was read, `attribution`
    float32[n, T], `begin` and `end` int32[n, T] in bytes of the text, and `length` int32[n].
    """
    cut, head, join = (network.get_layer(n) for n in ("cut_windows", "head", "join_windows"))
    embedding = token_embedding(head)
    masks = [name for name in head.input if name != "token_ids"]
    rest = keras.Model([embedding.output, *(head.input[name] for name in masks)], head.output)

    inputs = encoder_inputs(pieces.ids)
    windows = cut(inputs["token_ids"], inputs["padding_mask"])
    text, mask = windows["text"], windows["padding_mask"]
    fixed = [windows[name] for name in masks]
    embedded = embedding(windows["token_ids"])
    sizes = tf.reduce_sum(mask, axis=1, keepdims=True)
    places = tf.range(tf.shape(mask)[1])[None]
    # [CLS] and [SEP] stay: only what is between them is explained.
    content = tf.logical_and(places > 0, places < sizes - 1)
    nothing = embedding(tf.fill(tf.shape(mask), _PADDING))
    start = tf.where(content[..., None], nothing, embedded)
    way = embedded - start

    def logits_of(vectors: tf.Tensor) -> tf.Tensor:
        found = rest([vectors, *fixed], training=False)
        return join(found["logits"], found["pooled"], text, inputs["padding_mask"])["logits"]

    # The winner is that of both parts; the way of the gradients is the encoder's alone.
    answer = compiled(network)(inputs)
    score = winning(task, answer["logits"], pieces)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = tf.constant((nodes + 1) / 2, tf.float32), tf.constant(weights / 2, tf.float32)

    def step(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        vectors = start + tf.cast(nodes[number], way.dtype) * way
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            reached = score(logits_of(vectors))
        gradient = tf.cast(tape.gradient(reached, vectors), tf.float32)
        return number + 1, total + weights[number] * gradient

    _, total = tf.while_loop(
        lambda number, _: number < _NODES,
        step,
        (tf.constant(0), tf.zeros_like(way, tf.float32)),
    )
    attribution = tf.reduce_sum(total * tf.cast(way, tf.float32), axis=-1)
    attribution = _texts(attribution, content, text, tf.shape(inputs["token_ids"]), cut.stride)
    layers = {layer.name: layer for layer in network.layers}
    if "wide" in layers:
        shares = layers["wide"].shares(inputs["token_ids"], inputs["padding_mask"])
        # 0 where there is one logit.
        winner = tf.argmax(answer["logits"], axis=1, output_type=tf.int32)
        shares = tf.gather(shares, winner, axis=2, batch_dims=1)
        counts = _counts(layers.get("both"), answer)
        attribution = attribution * counts[:, :1] + shares * counts[:, 1:]
    return _placed(pieces, attribution)


def _counts(both: Lesser | None, answer: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return how much of each part's logits is in the score, float32[n, 2]."""
    if both is None:
        return tf.ones([tf.shape(answer["logits"])[0], 2])
    lesser = tf.argmin(both.scaled(answer["parts"]), axis=1)
    return tf.one_hot(lesser, 2) * both.slopes


def _texts(
    values: tf.Tensor, content: tf.Tensor, text: tf.Tensor, shape: tf.Tensor, stride: int
) -> tf.Tensor:
    """Add up what the windows say of each place of their texts; [k, F] → [n, T]."""
    counts = tf.math.segment_sum(tf.ones_like(text), text)
    number = tf.range(tf.shape(text)[0]) - tf.gather(tf.cumsum(counts, exclusive=True), text)
    places = tf.range(tf.shape(values)[1])[None] + (number * stride)[:, None]
    rows = tf.broadcast_to(text[:, None], tf.shape(places))
    where = tf.boolean_mask(tf.stack([rows, places], axis=-1), content)
    return tf.scatter_nd(where, tf.boolean_mask(values, content), shape)


def _placed(pieces: Pieces, attribution: tf.Tensor) -> dict[str, Any]:
    begin, end = pieces.begin[:, 1:-1], pieces.end[:, 1:-1]
    lengths = tf.cast(begin.row_lengths(), tf.int32)
    inside = tf.RaggedTensor.from_tensor(attribution[:, 1:], lengths)
    return {
        "token": pieces.word[:, 1:-1].to_tensor(),
        "attribution": inside.to_tensor(),
        "begin": tf.cast(begin, tf.int32).to_tensor(),
        "end": tf.cast(end, tf.int32).to_tensor(),
        "length": lengths,
    }
