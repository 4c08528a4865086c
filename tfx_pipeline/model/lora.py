"""Training a little of the encoder: low-rank changes (LoRA, Hu et al. 2022), frozen layers."""

from __future__ import annotations

from typing import Any

import keras


def restrict(backbone: Any, rank: int, frozen: int, word_shapes: bool = False) -> None:
    """Prepare a backbone, before it is built into a model.

    With a `rank` only low-rank changes of the attention are trained; otherwise everything but
    the embeddings and the lowest `frozen` encoder layers is. The segments are trained in either
    case where they tell `word_shapes`: the encoder brings none.
    """
    if rank > 0:
        backbone.enable_lora(rank)
    elif frozen > 0:
        for layer in backbone.layers:
            layer.trainable = layer in backbone.transformer_layers[frozen:]
    if word_shapes:
        backbone.get_layer("segment_embedding").trainable = True


def merged_weights(model: keras.Model) -> list[Any]:
    """Return the weights of a model as if it had no low-rank changes, these folded in.

    They fit the same model built without `restrict`, and give the same answers.
    """
    folded = {id(layer._kernel): layer.kernel for layer in _changed(model)}
    return [
        keras.ops.convert_to_numpy(folded.get(id(variable), variable))
        for variable in own_weights(model)
    ]


def own_weights(model: keras.Model) -> list[Any]:
    """Return the variables that a model has without low-rank changes too, in the same order."""
    changed = _changed(model)
    changes = {id(part) for layer in changed for part in (layer.lora_kernel_a, layer.lora_kernel_b)}
    return [variable for variable in model.weights if id(variable) not in changes]


def _changed(model: keras.Model) -> list[Any]:
    return [layer for layer in model._flatten_layers() if getattr(layer, "lora_enabled", False)]
