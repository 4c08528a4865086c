"""Tensors of several requests made one along dimension 0."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from model_server.runtime import dtypes
from model_server.runtime.tensor import Tensor, allocate, from_numpy, from_strings


def join(tensors: Sequence[Tensor], rows: int, pad_dims: bool) -> Tensor:
    """Concatenate on dimension 0, filled up to `rows` with the first row of the last tensor.

    With `pad_dims`, other dimensions grow to the largest; each tensor is filled with its own first
    element. Otherwise all other dimensions are equal.
    """
    if pad_dims and len({tensor.shape[1:] for tensor in tensors}) > 1:
        tensors = _pad(tensors)
    given = sum(tensor.shape[0] for tensor in tensors)
    if len(tensors) == 1 and given == rows and tensors[0].whole:
        return tensors[0]
    parts = [*tensors]
    if rows > given:
        parts += [tensors[-1].rows(0, 1)] * (rows - given)
    first = tensors[0]
    shape = (rows, *first.shape[1:])
    if first.dtype is dtypes.STRING:
        return from_strings([value for part in parts for value in part.strings()], shape)
    joined = allocate(first.dtype, shape)
    at = joined.address
    for part in parts:
        ctypes.memmove(at, part.address, part.nbytes)
        at += part.nbytes
    return joined


def _pad(tensors: Sequence[Tensor]) -> list[Tensor]:
    largest = tuple(np.max([tensor.shape[1:] for tensor in tensors], axis=0).tolist())
    padded = []
    for tensor in tensors:
        if tensor.shape[1:] == largest:
            padded.append(tensor)
            continue
        values = tensor.numpy()
        empty = b"" if tensor.dtype is dtypes.STRING else 0
        grown = np.full(
            (tensor.shape[0], *largest),
            values.flat[0] if values.size else empty,
            dtype=values.dtype,
        )
        grown[tuple(slice(size) for size in values.shape)] = values
        padded.append(from_numpy(grown, tensor.dtype))
    return padded
