"""What a user passes to `predict` → the TensorProtos of the request, checked against the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving_client import tensors as codec
from serving_client.dtypes import wire_type_of
from serving_client.errors import InputError, TensorError
from serving_client.metadata import Signature, TensorSpec


def fill(tensors: Any, inputs: Any, signature: Signature | None) -> None:
    """Write `inputs` into a request's map of input name to TensorProto.

    With a signature: a bare value goes to the only input, lists take the dtype the model wants, a
    single text for an input of rank 1 becomes a batch of one, and dtype and rank are checked.
    Without: only a mapping works, and values go as they are. Raises InputError.
    """
    if signature is None:
        if not isinstance(inputs, Mapping):
            raise InputError(
                "a bare value needs the model's metadata, which is not available: "
                "give a dict of input name to value"
            )
        for name, value in inputs.items():
            _fill(tensors[str(name)], name, value, None, None)
        return
    if not isinstance(inputs, Mapping):
        required = [spec.name for spec in signature.inputs.values() if not spec.optional]
        names = required or list(signature.inputs)
        if len(names) != 1:
            raise InputError(f"a bare value fits a model with one input only{_where(signature)}")
        inputs = {names[0]: inputs}
    if inputs.keys() != signature.inputs.keys():
        _check_names(inputs, signature)
    for name, value in inputs.items():
        _fill(tensors[name], name, value, signature.inputs[name], signature)


def _check_names(inputs: Mapping[str, Any], signature: Signature) -> None:
    unknown = [str(name) for name in inputs if name not in signature.inputs]
    if unknown:
        raise InputError(f"no input is named {', '.join(unknown)}{_where(signature)}")
    missing = [
        spec.name
        for spec in signature.inputs.values()
        if not spec.optional and spec.name not in inputs
    ]
    if missing:
        raise InputError(f"missing input {', '.join(missing)}{_where(signature)}")


def _where(signature: Signature | None) -> str:
    return "" if signature is None else f"; the signature is {signature}"


def _fill(
    proto: Any, name: str, value: Any, spec: TensorSpec | None, signature: Signature | None
) -> None:
    if spec is None or spec.dtype == "invalid":  # sparse and composite inputs name no dtype
        try:
            codec.fill(proto, value)
            return
        except TensorError as error:
            raise InputError(f"input {name!r}: {error.message}{_where(signature)}") from error
    if spec.shape is not None and len(spec.shape) == 1 and isinstance(value, str | bytes):
        value = [value]
    if isinstance(value, np.ndarray):
        _check_dtype(name, value, spec, signature)
    try:
        codec.fill(proto, value, spec.enum)
    except TensorError as error:
        raise InputError(
            f"input {name!r} must be {spec.dtype}: {error.message}{_where(signature)}"
        ) from error
    rank = len(proto.tensor_shape.dim)
    if spec.shape is not None and rank != len(spec.shape):
        raise InputError(
            f"input {name!r} has {rank} dimensions, expected {len(spec.shape)} ({spec})"
            f"{_where(signature)}"
        )


def _check_dtype(name: str, array: Any, spec: TensorSpec, signature: Signature | None) -> None:
    # An array has a dtype of its own: a different one is a mistake, not a wish to convert.
    try:
        given = wire_type_of(array.dtype)
    except TensorError as error:
        raise InputError(f"input {name!r}: {error.message}{_where(signature)}") from error
    if given.enum == spec.enum or array.size == 0:
        return
    if given.numpy.kind in "iufb" and spec.dtype in _CARRIED_BY.get(given.name, ()):
        return
    raise InputError(
        f"input {name!r} is {given.name.lower()}, the model wants {spec.dtype}{_where(signature)}"
    )


# Types that numpy has no name of their own for, and the plain type that carries them.
_CARRIED_BY = {
    "FLOAT": ("bfloat16",),
    "INT8": ("qint8",),
    "UINT8": ("quint8",),
    "INT16": ("qint16",),
    "UINT16": ("quint16",),
    "INT32": ("qint32",),
}
