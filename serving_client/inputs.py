"""What a user passes to `predict` → the TensorProtos of the request, checked against the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving_client import tensors
from serving_client.dtypes import wire_type_of
from serving_client.errors import InputError, TensorError
from serving_client.metadata import Signature, TensorSpec


def build(inputs: Any, signature: Signature | None) -> dict[str, Any]:
    """TensorProto by input name.

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
        return {str(name): _tensor(name, value, None, "") for name, value in inputs.items()}
    where = f"; the signature is {signature}"
    if not isinstance(inputs, Mapping):
        required = [spec.name for spec in signature.inputs.values() if not spec.optional]
        names = required or list(signature.inputs)
        if len(names) != 1:
            raise InputError(f"a bare value fits a model with one input only{where}")
        inputs = {names[0]: inputs}
    unknown = [str(name) for name in inputs if name not in signature.inputs]
    if unknown:
        raise InputError(f"no input is named {', '.join(unknown)}{where}")
    missing = [
        spec.name
        for spec in signature.inputs.values()
        if not spec.optional and spec.name not in inputs
    ]
    if missing:
        raise InputError(f"missing input {', '.join(missing)}{where}")
    return {
        name: _tensor(name, value, signature.inputs[name], where) for name, value in inputs.items()
    }


def _tensor(name: str, value: Any, spec: TensorSpec | None, where: str) -> Any:
    if spec is None or spec.dtype == "invalid":  # sparse and composite inputs name no dtype
        try:
            return tensors.to_proto(value)
        except TensorError as error:
            raise InputError(f"input {name!r}: {error.message}{where}") from error
    if spec.shape is not None and len(spec.shape) == 1 and isinstance(value, str | bytes):
        value = [value]
    if isinstance(value, np.ndarray):
        _check_dtype(name, value, spec, where)
    try:
        proto = tensors.to_proto(value, spec.enum)
    except TensorError as error:
        raise InputError(f"input {name!r} must be {spec.dtype}: {error.message}{where}") from error
    rank = len(proto.tensor_shape.dim)
    if spec.shape is not None and rank != len(spec.shape):
        raise InputError(
            f"input {name!r} has {rank} dimensions, expected {len(spec.shape)} ({spec}){where}"
        )
    return proto


def _check_dtype(name: str, array: Any, spec: TensorSpec, where: str) -> None:
    # An array has a dtype of its own: a different one is a mistake, not a wish to convert.
    try:
        given = wire_type_of(array.dtype)
    except TensorError as error:
        raise InputError(f"input {name!r}: {error.message}{where}") from error
    if given.enum == spec.enum or array.size == 0:
        return
    if given.numpy.kind in "iufb" and spec.dtype in _CARRIED_BY.get(given.name, ()):
        return
    raise InputError(f"input {name!r} is {given.name.lower()}, the model wants {spec.dtype}{where}")


# Types that numpy has no name of their own for, and the plain type that carries them.
_CARRIED_BY = {
    "FLOAT": ("bfloat16",),
    "INT8": ("qint8",),
    "UINT8": ("quint8",),
    "INT16": ("qint16",),
    "UINT16": ("quint16",),
    "INT32": ("qint32",),
}
