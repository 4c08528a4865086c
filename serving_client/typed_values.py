"""The repeated fields of a TensorProto (`float_val`, `string_val`, …) ↔ flat numpy arrays.

Going through Python numbers costs tens of nanoseconds a value, so only few values do. From protobuf
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
# Up to so many values the way through Python is the shorter one, in code and in time.
_SHORT = 64
_FIELDS: dict[str, np.dtype[Any]] = {
    "float_val": np.dtype(np.float32),
    "double_val": np.dtype(np.float64),
    "int_val": np.dtype(np.int32),
    "scomplex_val": np.dtype(np.float32),
    "int64_val": np.dtype(np.int64),
    "bool_val": np.dtype(np.bool_),
    "dcomplex_val": np.dtype(np.float64),
    "half_val": np.dtype(np.int32),
    "uint32_val": np.dtype(np.uint32),
    "uint64_val": np.dtype(np.uint64),
}


def read(proto: Any, wire: WireType) -> Array:
    """All numbers of the field that `wire` uses, flat and of dtype `wire.raw`.

    As many as there are; of complex numbers the whole ones. Small integers wrap.
    """
    if wire.field == "float8_val":
        return np.frombuffer(proto.float8_val, wire.raw)
    field = getattr(proto, wire.field)
    if len(field) <= _SHORT:
        values: Array = np.fromiter(field[:], _FIELDS[wire.field], len(field))
    elif _FIELDS_ARE_ARRAYS:
        values = np.asarray(field)
    else:
        values = _unpacked(proto, wire)
    if wire.raw.kind == "c":
        return values[: len(values) // 2 * 2].view(wire.raw)
    if wire.field == "half_val":
        return values.astype("<u2").view(wire.raw)
    return values if values.dtype == wire.raw else values.astype(wire.raw)


def read_strings(proto: Any) -> Array:
    """All of `string_val`: object[n] of bytes."""
    values = proto.string_val[:]  # quicker than list()
    return np.fromiter(values, object, len(values))


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


def _unpacked(proto: Any, wire: WireType) -> Array:
    message = protos.TensorWire.FromString(proto.SerializeToString())
    pieces = getattr(message, wire.field)
    packed = pieces[0] if pieces else b""
    if not wire.varint:
        return np.frombuffer(packed, _FIELDS[wire.field])
    values: Array = varints.decode(packed)
    return values != 0 if wire.raw.kind == "b" else values
