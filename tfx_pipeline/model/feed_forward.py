"""Feed-forward networks of an encoder in a form that TensorFlow computes in one go.

Its kernels for processors do matrix product, bias and GELU together, where each reads what the one
before it gives. For texts [n, T, d] Keras puts a reshape between product and bias, and then each
of GELU's nine operations goes over all values by itself.
"""

from __future__ import annotations

from typing import Any

import keras


def fuse(backbone: Any) -> Any:
    """Let each layer with a GELU work on rows [n * T, d]; answers and weights stay the same."""
    for layer in backbone.transformer_layers:
        _on_rows(layer._feedforward_intermediate_dense)
    return backbone


def _on_rows(dense: keras.layers.Dense) -> None:
    of_rows = dense.call

    def call(inputs: Any, training: bool | None = None) -> Any:
        rows = keras.ops.reshape(inputs, (-1, inputs.shape[-1]))
        shape = (*keras.ops.shape(inputs)[:-1], dense.units)
        return keras.ops.reshape(of_rows(rows, training=training), shape)

    dense.call = call
