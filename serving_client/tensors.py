"""numpy ↔ TensorProto, by the rules of TensorFlow's C++ decoder.

    proto = to_proto(["a", "b"])            # string[2]
    array = from_proto(response.outputs["score"])

Arrays that come out of `from_proto` may be read-only views of the message's bytes: copy them to
write. String tensors are object arrays of `bytes`. Works on any number of threads.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from serving_client import protos, typed_values, varints
from serving_client.dtypes import BFLOAT16_IS_NATIVE, STRING, WireType, wire_type, wire_type_of
from serving_client.errors import TensorError

Array = npt.NDArray[Any]

# A message may say "a billion times this one value" in twenty bytes.
MAX_EXPANDED_BYTES = 256 * 1024 * 1024
_MAX_RANK = 254  # TensorShape's own limit
_TensorProto = protos.TensorProto
_DT_STRING = STRING.enum


def to_proto(value: Any, dtype: int | None = None, *, typed: bool = False) -> Any:
    """A TensorProto of `value`: numpy array or scalar, str, bytes, number, bool, nested lists.

    `dtype` is a DataType number; without it numpy's choice is taken, except that Python floats
    become float32 and Python ints int32 where they fit (TensorFlow's own choice). With
    `typed=True` the values go into the repeated fields (`float_val`, …), which is what a server
    answers with; otherwise numbers go into `tensor_content`. Strings are always in `string_val`.
    Raises TensorError for ragged lists, unknown dtypes and values out of range.
    """
    proto = _TensorProto()
    fill(proto, value, dtype, typed=typed)
    return proto


def fill(proto: Any, value: Any, dtype: int | None = None, *, typed: bool = False) -> None:
    """`to_proto` into an empty TensorProto that is there already, such as a map's entry."""
    if dtype == _DT_STRING or (dtype is None and _looks_like_text(value)):
        _fill_strings(proto, value)
        return
    array = as_array(value, dtype)
    wire = wire_type_of(array.dtype) if dtype is None else wire_type(dtype)
    if wire is STRING:
        _fill_strings(proto, array)
        return
    raw = _to_raw(array, wire)
    proto.dtype = wire.enum
    _set_shape(proto, array.shape)
    if not typed:
        proto.tensor_content = raw.tobytes()
    elif raw.size:
        typed_values.write(proto, raw, wire)


class Allowance:
    """How many bytes of repeated values the tensors of one message may still expand to."""

    def __init__(self, max_expanded_bytes: int = MAX_EXPANDED_BYTES) -> None:
        self.left = max_expanded_bytes

    def take(self, size: int) -> None:
        """Count `size` bytes that no byte of the message stands for. TensorError if too many."""
        if size > self.left:
            raise TensorError(
                f"the shape asks for {size} bytes of repeated values, the limit is {self.left}"
            )
        self.left -= size


def from_proto(proto: Any, allowance: Allowance | None = None) -> Array:
    """The array a TensorProto stands for; object array of bytes for strings.

    Follows TensorFlow: `tensor_content`, where not empty, must fit the shape exactly; otherwise the
    typed values count, the last one repeated if there are too few, zeros if there are none, the
    surplus ignored; an unknown rank is read as the dimensions given. Small integers wrap. Raises
    TensorError for everything else, and where repetition would take more than `allowance`, which
    the tensors of one message share (256 MiB without).
    """
    wire = wire_type(proto.dtype)
    dims = proto.tensor_shape.dim
    shape = (dims[0].size,) if len(dims) == 1 else tuple([dim.size for dim in dims])
    count = _count(shape)
    if count == 0:
        flat: Array = np.empty(0, dtype=wire.numpy)
    elif wire is STRING:
        flat = _strings_from_proto(proto, count, allowance)
    elif content := proto.tensor_content:  # read once: each access copies
        flat = _from_raw(_content(content, count, wire), wire)
    else:
        flat = _from_raw(_typed(proto, count, wire, allowance), wire)
    if len(shape) == 1:
        return flat
    try:
        return flat.reshape(shape)
    except ValueError as error:
        raise TensorError(f"numpy cannot hold the shape {list(shape)}: {error}") from error


def as_array(value: Any, dtype: int | None = None) -> Array:
    """`value` as a numpy array of `dtype` (a DataType number), as `to_proto` would send it.

    numpy arrays keep their dtype unless `dtype` says otherwise, and then must fit without loss of
    kind (a float is not sent as an int).
    """
    if dtype is not None and wire_type(dtype) is STRING:
        return _text_array(value)
    try:
        array = value if isinstance(value, np.ndarray) else np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise TensorError(f"not a regular array: {error}") from error
    if dtype is None:
        if array.dtype.kind in "OSUT":
            return _text_array(value)
        return array if isinstance(value, np.ndarray | np.generic) else _python_choice(array)
    wanted = wire_type(dtype).numpy
    if array.dtype == wanted:
        return array
    if array.size and not _kind_fits(array.dtype, wanted):
        raise TensorError(f"values of dtype {array.dtype} do not fit {wire_type(dtype).name}")
    with np.errstate(over="ignore"):
        converted = array.astype(wanted)
    if array.dtype.kind in "iu" and wanted.kind in "iu" and not np.array_equal(array, converted):
        raise TensorError(f"a value is out of range for {wire_type(dtype).name.lower()}")
    return converted


def _kind_fits(given: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    order = "biufc"
    # ml_dtypes' own types report kind V (or f); all but its integers are floats.
    kinds = [
        kind if kind in order else "i" if "int" in name else "f"
        for kind, name in ((given.kind, given.name), (wanted.kind, wanted.name))
    ]
    ranks = [order.index(kind.replace("u", "i")) for kind in kinds]
    return given.kind in order + "V" and ranks[0] <= ranks[1]


def _python_choice(array: Array) -> Array:
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64:
        narrow = array.astype(np.int32)
        return narrow if np.array_equal(array, narrow) else array
    return array


def _set_shape(proto: Any, shape: tuple[int, ...]) -> None:
    dims = proto.tensor_shape.dim
    for size in shape:
        dims.add(size=size)
    if not shape:
        proto.tensor_shape.SetInParent()


def _count(shape: tuple[int, ...]) -> int:
    if len(shape) > _MAX_RANK:
        raise TensorError(f"{len(shape)} dimensions, more than TensorFlow's {_MAX_RANK}")
    if len(shape) == 1 and 0 <= shape[0] < 2**63:  # the usual case, quickly
        return shape[0]
    for size in shape:
        if size < 0:
            raise TensorError(f"negative dimension in the shape {list(shape)}")
    count = math.prod(shape)
    if count >= 2**63 or math.prod([size for size in shape if size]) >= 2**63:
        raise TensorError(f"the shape {list(shape)} has more elements than an int64 can count")
    return count


# --- numbers ---


def _to_raw(array: Array, wire: WireType) -> Array:
    if wire.name == "BFLOAT16" and not BFLOAT16_IS_NATIVE:
        bits = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32).reshape(array.shape)
        rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
        quiet: Array = np.where(np.isnan(array), 0x7FC0, rounded)
        narrow: Array = quiet.astype("<u2")
        return narrow
    if array.dtype != wire.numpy:
        array = array.astype(wire.numpy)
    return array.view(wire.raw) if wire.name == "BFLOAT16" else array.astype(wire.raw, copy=False)


def _from_raw(raw: Array, wire: WireType) -> Array:
    if wire.name != "BFLOAT16":
        return raw if raw.dtype == wire.numpy else raw.astype(wire.numpy)
    if BFLOAT16_IS_NATIVE:
        return raw.view(wire.numpy)
    return (raw.astype(np.uint32) << 16).view(np.float32)


def _content(content: bytes, count: int, wire: WireType) -> Array:
    if len(content) != count * wire.raw.itemsize:
        raise TensorError(
            f"tensor_content has {len(content)} bytes, {count} values of {wire.name} "
            f"take {count * wire.raw.itemsize}"
        )
    if wire.raw.kind == "b":  # any non-zero byte is true; numpy would keep the odd bits
        truth: Array = np.frombuffer(content, dtype=np.uint8) != 0
        return truth
    return np.frombuffer(content, dtype=wire.raw)


def _typed(proto: Any, count: int, wire: WireType, allowance: Allowance | None) -> Array:
    values = typed_values.read(proto, wire)
    if len(values) == count:  # the usual case, quickly
        return values
    if len(values) > count:
        return values[:count]
    (allowance or Allowance()).take(count * wire.numpy.itemsize)
    if not len(values):
        return np.zeros(count, dtype=wire.raw)
    filled = np.empty(count, dtype=wire.raw)
    filled[: len(values)] = values
    filled[len(values) :] = values[-1]
    return filled


# --- strings ---


def _looks_like_text(value: Any) -> bool:
    while type(value) in (list, tuple) and value:
        value = value[0]
    return isinstance(value, str | bytes) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "OSUT"
    )


def _fill_strings(proto: Any, value: Any) -> None:
    kind = type(value)
    if kind is list and value and type(value[0]) in (str, bytes):
        shape: tuple[int, ...] = (len(value),)
        items: list[Any] = value
    elif kind is str or kind is bytes:
        shape, items = (), [value]
    elif kind is np.ndarray and value.dtype.kind in "SU":
        shape, items = value.shape, value.ravel().tolist()
    else:
        array = _text_array(value)
        shape, items = array.shape, array.ravel().tolist()
    proto.string_val.extend(_as_bytes(items))
    proto.dtype = _DT_STRING
    _set_shape(proto, shape)


def _as_bytes(items: list[Any]) -> list[bytes]:
    try:
        if items and type(items[0]) is str:
            try:
                return list(map(str.encode, items))  # the usual case, quickly
            except TypeError:
                pass  # not only texts
        return [item if type(item) is bytes else _one_as_bytes(item) for item in items]
    except UnicodeEncodeError as error:
        raise TensorError(f"text that is not valid Unicode: {error}") from error


def _one_as_bytes(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    hint = " (a ragged list?)" if isinstance(item, list | tuple) else ""
    raise TensorError(f"a string tensor holds str or bytes, not {type(item).__name__}{hint}")


def _text_array(value: Any) -> Array:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "OSUT":
            raise TensorError(f"values of dtype {value.dtype} do not fit STRING")
        source: Any = value.tolist() if value.dtype.kind in "SUT" else value
        array = np.empty(value.shape, dtype=object)
        array[...] = source
    else:
        try:
            array = np.array(value, dtype=object)
        except ValueError as error:
            raise TensorError(f"not a regular array: {error}") from error
    flat = _as_bytes(array.ravel().tolist())
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(array.shape)


def _strings_from_proto(proto: Any, count: int, allowance: Allowance | None) -> Array:
    if proto.tensor_content:
        array: Array = np.empty(count, dtype=object)
        array[:] = _string_list(proto.tensor_content, count)
        return array
    values = typed_values.read_strings(proto)
    if len(values) == count:
        return values
    if len(values) > count:
        return values[:count]
    (allowance or Allowance()).take(count * 8)
    filled: Array = np.full(count, values[-1] if len(values) else b"", dtype=object)
    filled[: len(values)] = values
    return filled


def _string_list(content: bytes, count: int) -> list[bytes]:
    # TensorFlow's EncodeStringList: `count` varint lengths, then the bytes themselves.
    ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) < 0x80)
    if len(ends) < count:
        raise TensorError(f"tensor_content is too short for {count} strings")
    head = int(ends[count - 1]) + 1
    if int(np.diff(ends[:count], prepend=-1).max()) > 10:
        raise TensorError("tensor_content has a string length of more than ten bytes")
    stops = [head]
    for length in varints.decode(content[:head]).tolist():
        stops.append(stops[-1] + length)
    if stops[-1] != len(content):
        raise TensorError(f"tensor_content does not hold {count} strings exactly")
    return [content[start:stop] for start, stop in itertools.pairwise(stops)]
