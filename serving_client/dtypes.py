"""DataType of the wire ↔ dtype of numpy, as one table.

bfloat16, float8 and the 4-bit integers have no numpy dtype of their own: the `ml_dtypes` package
brings them (TensorFlow and JAX use the same). Where it is not installed, bfloat16 is read as
float32, which holds every bfloat16 exactly, and float32 may be sent as bfloat16 (rounded to nearest
even); the others raise TensorError, which names the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from serving_client import protos
from serving_client.dtype_names import dtype_name
from serving_client.errors import TensorError

ml_dtypes: Any
try:
    ml_dtypes = import_module("ml_dtypes")
except ImportError:  # the base install
    ml_dtypes = None

BFLOAT16_IS_NATIVE = ml_dtypes is not None


@dataclass(frozen=True)
class WireType:
    """How one DataType travels.

    `field` is the repeated field of typed values; `numpy` is the dtype of the array, `raw` the
    dtype of its bits in `tensor_content` (they differ for bfloat16 read without ml_dtypes), and
    `varint` tells that the field's packed form is varints, not fixed-width values.
    """

    enum: int
    name: str
    field: str
    numpy: np.dtype[Any]
    raw: np.dtype[Any]
    varint: bool


def _extra(name: str) -> np.dtype[Any] | None:
    scalar = getattr(ml_dtypes, name, None)
    return None if scalar is None else np.dtype(scalar)


_BFLOAT16 = _extra("bfloat16")
_ROWS: list[tuple[str, str, Any, bool]] = [
    ("FLOAT", "float_val", np.float32, False),
    ("DOUBLE", "double_val", np.float64, False),
    ("INT32", "int_val", np.int32, True),
    ("UINT8", "int_val", np.uint8, True),
    ("INT16", "int_val", np.int16, True),
    ("INT8", "int_val", np.int8, True),
    ("STRING", "string_val", np.object_, False),
    ("COMPLEX64", "scomplex_val", np.complex64, False),
    ("INT64", "int64_val", np.int64, True),
    ("BOOL", "bool_val", np.bool_, True),
    ("UINT16", "int_val", np.uint16, True),
    ("COMPLEX128", "dcomplex_val", np.complex128, False),
    ("HALF", "half_val", np.float16, True),
    ("UINT32", "uint32_val", np.uint32, True),
    ("UINT64", "uint64_val", np.uint64, True),
    ("BFLOAT16", "half_val", _BFLOAT16 or np.dtype(np.float32), True),
    ("FLOAT8_E5M2", "float8_val", _extra("float8_e5m2"), False),
    ("FLOAT8_E4M3FN", "float8_val", _extra("float8_e4m3fn"), False),
    ("FLOAT8_E4M3FNUZ", "float8_val", _extra("float8_e4m3fnuz"), False),
    ("FLOAT8_E4M3B11FNUZ", "float8_val", _extra("float8_e4m3b11fnuz"), False),
    ("FLOAT8_E5M2FNUZ", "float8_val", _extra("float8_e5m2fnuz"), False),
    ("INT4", "int_val", _extra("int4"), True),
    ("UINT4", "int_val", _extra("uint4"), True),
    # Quantised types carry plain integers; last, so that an int8 array is sent as INT8.
    ("QINT8", "int_val", np.int8, True),
    ("QUINT8", "int_val", np.uint8, True),
    ("QINT32", "int_val", np.int32, True),
    ("QINT16", "int_val", np.int16, True),
    ("QUINT16", "int_val", np.uint16, True),
]


def _raw_dtype(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    if name == "BFLOAT16":
        return np.dtype("<u2")
    little = dtype.newbyteorder("<")
    return dtype if dtype == little else little  # one object compares quicker with itself


BY_ENUM: dict[int, WireType] = {}
_BY_NUMPY: dict[Any, WireType] = {}
for _name, _field, _type, _varint in _ROWS:
    if _type is None:
        continue
    _dtype = np.dtype(_type)
    _wire = WireType(
        enum=protos.DataType.Value(f"DT_{_name}"),
        name=_name,
        field=_field,
        numpy=_dtype,
        raw=_raw_dtype(_name, _dtype),
        varint=_varint,
    )
    BY_ENUM[_wire.enum] = _wire
    _BY_NUMPY.setdefault(_dtype, _wire)

STRING = BY_ENUM[protos.DataType.Value("DT_STRING")]


def wire_type(enum: int) -> WireType:
    """The row of a DataType number. TensorError for one that cannot be held here."""
    found = BY_ENUM.get(enum)
    if found is not None:
        return found
    name = dtype_name(enum)
    if ml_dtypes is None and name.startswith(("float8", "int4", "uint4")):
        raise TensorError(f"dtype {name} needs the package ml_dtypes: pip install ml_dtypes")
    raise TensorError(f"dtype {name} cannot be held by a numpy array")


def wire_type_of(dtype: np.dtype[Any]) -> WireType:
    """The row for a numpy dtype, whatever its byte order; strings of any kind are STRING."""
    found = _BY_NUMPY.get(dtype)
    if found is not None:
        return found
    if dtype.kind in "OSUT":
        return STRING
    found = _BY_NUMPY.get(dtype.newbyteorder("=")) if dtype.isnative is False else None
    if found is None:
        raise TensorError(f"a numpy array of dtype {dtype} has no counterpart in TensorFlow")
    return found
