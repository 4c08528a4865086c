"""Training a little of the encoder: low-rank changes (LoRA, Hu et al. 2022), frozen layers."""

from __future__ import annotations

from typing import Any

import keras


def restrict(backbone: Any, rank: int, frozen: int) -> None:
    """Prepare a backbone, before it is built into a model.

    With a `rank` only low-rank changes of the attention are trained; otherwise everything but
    the embeddings and the lowest `frozen` encoder layers is.
    """
    if rank > 0:
        backbone.enable_lora(rank)
    elif frozen > 0:
        low = ("token_embedding", "position_embedding", "segment_embedding")
        for name in (*low, "embeddings_layer_norm"):
            backbone.get_layer(name).trainable = False
        for layer in backbone.transformer_layers[:frozen]:
            layer.trainable = False


def merge(model: keras.Model) -> None:
    """Fold the low-rank changes into the kernels they change, so that `get_weights` has no others.

    The answers stay the same. Nothing happens to a model without them.
    """
    for layer in _layers(model):
        if getattr(layer, "lora_enabled", False):
            kernel = keras.ops.convert_to_numpy(layer.kernel)
            layer.lora_enabled = False
            # Keras has no public way back from `enable_lora`.
            layer._tracker.unlock()
            layer._untrack_variable(layer.lora_kernel_a)
            layer._untrack_variable(layer.lora_kernel_b)
            layer.lora_kernel_a = layer.lora_kernel_b = None
            layer._tracker.lock()
            layer._kernel.trainable = True
            layer._kernel.assign(kernel)


def _layers(model: keras.Model) -> list[Any]:
    return [layer for layer in model._flatten_layers() if layer is not model]
