"""The repeated fields of a TensorProto (`float_val`, `string_val`, …) ↔ flat numpy arrays.

Going through Python numbers costs tens of nanoseconds a value, so nothing here does. From protobuf
7.34 on a repeated field gives its values as an array by itself. Before, the message is looked at as
raw bytes (`protos.TensorWire`): serialising our own message puts each field into one packed piece.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from serving_client import protos, varints
from serving_client.dtypes import WireType

Array = npt.NDArray[Any]

_FIELDS_ARE_ARRAYS = hasattr(protos.TensorProto().int_val, "__array__")


def read(proto: Any, wire: WireType) -> Array:
    """All numbers of the field that `wire` uses, flat and of dtype `wire.raw`.

    As many as there are; of complex numbers the whole ones. Small integers wrap.
    """
    if wire.field == "float8_val":
        return np.frombuffer(proto.float8_val, wire.raw)
    values = _stored(proto, wire) if _FIELDS_ARE_ARRAYS else _unpacked(proto, wire)
    if wire.field == "half_val":
        return values.astype("<u2").view(wire.raw)
    return values if values.dtype == wire.raw else values.astype(wire.raw)


def read_strings(proto: Any) -> Array:
    """All of `string_val`: object[n] of bytes."""
    if _FIELDS_ARE_ARRAYS:
        return np.asarray(proto.string_val, dtype=object)
    values = proto.string_val[:]  # quicker than list()
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def write(proto: Any, raw: Array, wire: WireType) -> None:
    """Add numbers of dtype `wire.raw`, any shape, in C order."""
    message = protos.TensorWire()
    if wire.field == "float8_val":
        message.float8_val = raw.tobytes()
    elif wire.varint:
        bits = raw.view(np.uint16) if raw.dtype.kind == "f" else raw
        getattr(message, wire.field).append(varints.encode(bits))
    elif raw.size:
        getattr(message, wire.field).append(raw.tobytes())
    proto.MergeFromString(message.SerializeToString())


def _stored(proto: Any, wire: WireType) -> Array:
    values: Array = np.asarray(getattr(proto, wire.field))
    if wire.raw.kind == "c":
        return values[: len(values) // 2 * 2].view(wire.raw)
    return values


def _unpacked(proto: Any, wire: WireType) -> Array:
    message = protos.TensorWire.FromString(proto.SerializeToString())
    pieces = getattr(message, wire.field)
    packed = pieces[0] if pieces else b""
    if not wire.varint:
        return np.frombuffer(packed, wire.raw, len(packed) // wire.raw.itemsize)
    values: Array = varints.decode(packed)
    return values != 0 if wire.raw.kind == "b" else values
