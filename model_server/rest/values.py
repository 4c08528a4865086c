"""JSON values into tensors of a data type that the signature gives."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from model_server.errors import InvalidArgumentError, UnimplementedError
from model_server.rest.parsing import kind, show, text_bytes
from serving_client import protos

_FLOATS = {1: "f4", 2: "f8"}
_INTEGERS = {
    # data type: (field, lowest, highest); the small ones take any int32 and wrap
    3: ("int_val", -(2**31), 2**31 - 1),
    4: ("int_val", -(2**31), 2**31 - 1),
    5: ("int_val", -(2**31), 2**31 - 1),
    6: ("int_val", -(2**31), 2**31 - 1),
    9: ("int64_val", -(2**63), 2**63 - 1),
    22: ("uint32_val", 0, 2**32 - 1),
    23: ("uint64_val", 0, 2**64 - 1),
}
_BOOL, _STRING = 10, 7


def is_base64(value: Any) -> bool:
    """`{"b64": "..."}` counts as a value."""
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def dtype_name(dtype: int) -> str:
    """A data type as TensorFlow prints it."""
    return protos.DataType.Name(dtype).removeprefix("DT_").lower()


class TensorWriter:
    """Collects JSON values of one alias into a TensorProto."""

    def __init__(self, dtype: int) -> None:
        self.dtype = dtype
        self._flat: list[Any] = []

    def add(self, value: Any) -> tuple[int, ...]:
        """Take one value or nested list; its shape.

        Raises:
            InvalidArgumentError: ragged lists, or a value of the wrong type.
            UnimplementedError: JSON has no form for this data type.
        """
        shape = []
        inner = value
        while isinstance(inner, list):
            shape.append(len(inner))
            if not inner:
                break
            inner = inner[0]
            if len(shape) > 254:
                raise InvalidArgumentError("JSON Value: nested too deeply for a tensor")
        self._collect(value, shape, 0)
        return tuple(shape)

    def proto(self, shape: tuple[int, ...]) -> Any:
        """Everything taken, as one TensorProto of `shape`."""
        message = protos.TensorProto(dtype=self.dtype)
        message.tensor_shape.SetInParent()
        for size in shape:
            message.tensor_shape.dim.add(size=size)
        if self.dtype in _FLOATS:
            numpy = _FLOATS[self.dtype]
            with np.errstate(over="ignore"):
                message.tensor_content = np.array(self._flat, dtype=numpy).tobytes()
        elif self._flat:
            getattr(message, self._field()).extend(self._flat)
        return message

    def _field(self) -> str:
        if self.dtype == _STRING:
            return "string_val"
        return "bool_val" if self.dtype == _BOOL else _INTEGERS[self.dtype][0]

    def _collect(self, value: Any, shape: list[int], level: int) -> None:
        if not isinstance(value, list):
            if level < len(shape):
                raise InvalidArgumentError(
                    f"JSON Value: {show(value)} found at incorrect level: {level} in the JSON "
                    f"DOM. Expected at level: {len(shape)}"
                )
            self._flat.append(self._convert(value))
            return
        if level >= len(shape):
            raise InvalidArgumentError(
                f"Encountered list at unexpected level: {level} expected < {len(shape)}"
            )
        if len(value) != shape[level]:
            raise InvalidArgumentError(
                f"Encountered list at unexpected size: {len(value)} at level: {level} "
                f"expected size: {shape[level]}"
            )
        for item in value:
            self._collect(item, shape, level + 1)

    def _convert(self, value: Any) -> Any:
        dtype = self.dtype
        if dtype in _FLOATS:
            if isinstance(value, int | float) and not isinstance(value, bool):
                try:
                    return float(value)
                except OverflowError:
                    return float("inf") if value > 0 else float("-inf")
        elif dtype in _INTEGERS:
            _, lowest, highest = _INTEGERS[dtype]
            integer = isinstance(value, int) and not isinstance(value, bool)
            if integer and lowest <= value <= highest:
                return value
        elif dtype == _BOOL:
            if isinstance(value, bool):
                return value
        elif dtype == _STRING:
            if isinstance(value, str):
                return text_bytes(value)
            if isinstance(value, dict):
                return decode_base64(value)
        else:
            raise UnimplementedError(
                f"Conversion of JSON Value: {show(value)} to type: {dtype_name(dtype)}"
            )
        raise InvalidArgumentError(
            f"JSON Value: {show(value)} Type: {kind(value)} is not of expected type: "
            f"{dtype_name(dtype)}"
        )


def decode_base64(value: Any) -> bytes:
    """The bytes of `{"b64": "..."}`.

    Raises:
        InvalidArgumentError: it is not such an object, or not base64.
    """
    if not is_base64(value):
        raise InvalidArgumentError(
            f"JSON Value: {show(value)} not formatted correctly for base64 data"
        )
    text = value["b64"]
    try:
        # Padding may be left out, and the URL alphabet used.
        plain = text.translate(str.maketrans("-_", "+/")).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError("Unable to base64 decode") from error
