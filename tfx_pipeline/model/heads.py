"""Mean pooling and the classification head on a BERT backbone.

Mean pooling is how the default encoder was pretrained to give one vector a text
(Reimers & Gurevych 2019, "Sentence-BERT").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from tfx_pipeline.config import EncoderConfig
from tfx_pipeline.model.wide import Lesser, WideLogits
from tfx_pipeline.model.windows import CutWindows, JoinWindows


@keras.saving.register_keras_serializable(package="livebert")
class MeanPooling(layers.Layer):
    """Average the word pieces that are not padding; [n, T, d] and int[n, T] → float32[n, d]."""

    def call(self, sequence: Any, padding_mask: Any) -> Any:
        """Return the mean over the second axis, in float32 whatever the policy."""
        sequence = ops.cast(sequence, "float32")
        mask = ops.cast(padding_mask, "float32")[..., None]
        return ops.sum(sequence * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)


def width(task: str, labels: int) -> int:
    """Return how many logits a task has: one for a number or the probability of an anomaly."""
    return 1 if task in ("anomaly", "regression") else labels


def build_model(
    backbone: Any,
    task: str,
    labels: int,
    dropout: float,
    config: EncoderConfig,
    wide: Sequence[str] = (),
) -> keras.Model:
    """Put a head on the backbone, and the windows that the config asks for round both.

    With `wide`, the encoder's word pieces, the logits are those of the head and of a linear model
    of the words together.

    Returns a model from a BertBackbone's inputs, of any length, to what `build_head` gives; for
    the anomaly task with `wide` also to `parts` float32[n, 2], the logits of each.
    """
    head = build_head(backbone, task, labels, dropout)
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("token_ids", "padding_mask", "segment_ids")
    }
    size, step = config.max_length, config.stride
    windows = CutWindows(size, step, name="cut_windows")(
        inputs["token_ids"], inputs["padding_mask"]
    )
    text = windows.pop("text")
    found = head({name: windows[name] for name in head.input})
    joined = JoinWindows(task, size, step, dtype="float32", name="join_windows")(
        found["logits"], found["pooled"], text, inputs["padding_mask"]
    )
    if wide:
        linear = WideLogits(width(task, labels), wide, dtype="float32", name="wide")
        more = linear(inputs["token_ids"], inputs["padding_mask"])
        parts = [joined["logits"], more]
        if task == "anomaly":
            joined["parts"] = layers.Concatenate(dtype="float32")(parts)
            both = Lesser(dtype="float32", name="both")(joined["parts"])
        else:
            both = layers.Add(dtype="float32")(parts)
        joined["logits"] = both
    return keras.Model(inputs, joined)


def build_head(backbone: Any, task: str, labels: int, dropout: float) -> keras.Model:
    """Put a head on the backbone.

    Returns a model, named `head`, from the backbone's inputs to `pooled` float32[n, d] and
    `logits` float32[n, k], or float32[n, T, k] for a token task: each word piece has its own.
    """
    # A DistilBERT has no other output.
    output = backbone.output
    pieces = output["sequence_output"] if isinstance(output, dict) else output
    pooled = MeanPooling(dtype="float32", name="pooled")(pieces, backbone.input["padding_mask"])
    read = pieces if task == "token" else pooled
    dropped = layers.Dropout(dropout, dtype="float32", name="dropout")(read)
    logits = layers.Dense(width(task, labels), dtype="float32", name="logits")(dropped)
    return keras.Model(backbone.input, {"logits": logits, "pooled": pooled}, name="head")


def token_embedding(head: keras.Model) -> Any:
    """Return the layer of a head that turns word pieces into vectors, as its encoder names it."""
    names = {layer.name for layer in head.layers}
    both = "token_and_position_embedding"
    return head.get_layer(both if both in names else "token_embedding")
