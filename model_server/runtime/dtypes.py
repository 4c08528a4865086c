"""The data types of a TensorProto: their number, name, numpy type and value field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DType:
    """One data type.

    `field` is the TensorProto field that carries its values; `number` of that field on the wire.
    `packed` tells that the field holds the values' own bytes, so that memory is copied as it is.
    """

    enum: int
    name: str  # as TensorFlow prints it: "float"
    numpy: np.dtype | None  # None: no numpy type of that size is needed to move it
    size: int  # bytes an element takes in a tensor
    field: str
    number: int
    packed: bool


def _plain(enum: int, name: str, kind: str, field: str, number: int, packed: bool) -> DType:
    dtype = np.dtype(kind)
    return DType(enum, name, dtype, dtype.itemsize, field, number, packed)


FLOAT = _plain(1, "float", "f4", "float_val", 5, True)
INT32 = _plain(3, "int32", "i4", "int_val", 7, False)
STRING = DType(7, "string", None, 24, "string_val", 8, False)
INT64 = _plain(9, "int64", "i8", "int64_val", 10, False)
BOOL = _plain(10, "bool", "?", "bool_val", 11, True)

ALL = (
    FLOAT,
    _plain(2, "double", "f8", "double_val", 6, True),
    INT32,
    _plain(4, "uint8", "u1", "int_val", 7, False),
    _plain(5, "int16", "i2", "int_val", 7, False),
    _plain(6, "int8", "i1", "int_val", 7, False),
    STRING,
    _plain(8, "complex64", "c8", "scomplex_val", 9, True),
    INT64,
    BOOL,
    _plain(11, "qint8", "i1", "int_val", 7, False),
    _plain(12, "quint8", "u1", "int_val", 7, False),
    _plain(13, "qint32", "i4", "int_val", 7, False),
    # Sixteen-bit floats travel as the integer of their bits.
    _plain(14, "bfloat16", "u2", "half_val", 13, False),
    _plain(15, "qint16", "i2", "int_val", 7, False),
    _plain(16, "quint16", "u2", "int_val", 7, False),
    _plain(17, "uint16", "u2", "int_val", 7, False),
    _plain(18, "complex128", "c16", "dcomplex_val", 12, True),
    _plain(19, "half", "u2", "half_val", 13, False),
    _plain(22, "uint32", "u4", "uint32_val", 16, False),
    _plain(23, "uint64", "u8", "uint64_val", 17, False),
)
BY_ENUM = {dtype.enum: dtype for dtype in ALL}
