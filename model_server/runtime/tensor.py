"""A tensor in TensorFlow's memory, or some rows of one."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence

import numpy as np

from model_server.errors import InternalError
from model_server.runtime import dtypes
from model_server.runtime.dtypes import DType
from model_server.runtime.library import Status, library
from model_server.runtime.wire import varint


class _Owner:
    """One `TF_Tensor`, deleted with the last view of it."""

    __slots__ = ("pointer",)

    def __init__(self, pointer: int) -> None:
        self.pointer = pointer

    def __del__(self) -> None:
        library().TF_DeleteTensor(self.pointer)


class Tensor:
    """Values of one `dtype` in C order.

    `address` is where they begin, `owner` keeps the memory alive. A Tensor made by `rows` is a
    view and has no `TF_Tensor` of its own (`whole` is False).
    """

    __slots__ = ("address", "dtype", "owner", "shape", "whole")

    def __init__(
        self, owner: _Owner, dtype: DType, shape: tuple[int, ...], address: int, whole: bool = True
    ) -> None:
        self.owner = owner
        self.dtype = dtype
        self.shape = shape
        self.address = address
        self.whole = whole

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements themselves; a string counts 24, wherever its characters are."""
        return self.size * self.dtype.size

    def rows(self, begin: int, end: int) -> Tensor:
        """Rows [begin, end) of dimension 0, as a view."""
        shape = (end - begin, *self.shape[1:])
        stride = math.prod(self.shape[1:]) * self.dtype.size
        return Tensor(self.owner, self.dtype, shape, self.address + begin * stride, whole=False)

    def memory(self) -> memoryview:
        """The elements' bytes, valid while this object lives; not for strings."""
        return memoryview((ctypes.c_char * self.nbytes).from_address(self.address)).cast("B")

    def strings(self) -> list[bytes]:
        """The elements of a string tensor, flat."""
        tf = library()
        data, size, at = tf.TF_StringGetDataPointer, tf.TF_StringGetSize, ctypes.string_at
        begin = self.address
        return [at(data(cell), size(cell)) for cell in range(begin, begin + self.nbytes, 24)]

    def string_sizes(self) -> list[int]:
        """Bytes of each element of a string tensor, flat."""
        size, begin = library().TF_StringGetSize, self.address
        return [size(cell) for cell in range(begin, begin + self.nbytes, 24)]

    def numpy(self) -> np.ndarray:
        """A copy as an array; strings as objects of bytes, 16-bit floats as their bits (uint16)."""
        if self.dtype is dtypes.STRING:
            flat = np.empty(self.size, dtype=object)
            flat[:] = self.strings()
            return flat.reshape(self.shape)
        if not self.size:
            return np.empty(self.shape, dtype=self.dtype.numpy)
        return self.view().copy()

    def view(self) -> np.ndarray:
        """The numbers as an array over this tensor's own memory, valid while this object lives."""
        return np.frombuffer(self.memory(), dtype=self.dtype.numpy).reshape(self.shape)


def adopt(pointer: int) -> Tensor:
    """Take over a `TF_Tensor` that TensorFlow returned.

    Raises:
        InternalError: it holds resources or variants, which have no values to send.
    """
    tf = library()
    owner = _Owner(pointer)
    enum = tf.TF_TensorType(pointer)
    dtype = dtypes.BY_ENUM.get(enum)
    if dtype is None:
        raise InternalError(f"an output of data type number {enum} cannot be sent")
    dims = tf.TF_NumDims(pointer)
    shape = tuple([tf.TF_Dim(pointer, axis) for axis in range(dims)])
    # A tensor without elements may have no buffer at all, and asking for its data would crash.
    address = tf.TF_TensorData(pointer) if math.prod(shape) else 0
    return Tensor(owner, dtype, shape, address)


def parse_proto(data: bytes) -> Tensor:
    """Decode a serialized TensorProto with TensorFlow's own rules.

    Raises:
        InvalidArgumentError: TensorFlow cannot read it, or refuses its shape.
    """
    tf = library()
    pointer = tf.TF_AllocateTensor(dtypes.BOOL.enum, None, 0, 1)
    buffer = tf.TF_NewBufferFromString(data, len(data))
    try:
        with Status() as status:
            tf.TF_TensorFromProto(buffer, pointer, status)
    except BaseException:
        tf.TF_DeleteTensor(pointer)
        raise
    finally:
        tf.TF_DeleteBuffer(buffer)
    return adopt(pointer)


def _empty_strings(shape: tuple[int, ...]) -> Tensor:
    # Made by TensorFlow's decoder, so that TensorFlow also frees the characters.
    dims = b"".join(b"\x12" + bytes([len(d)]) + d for d in (b"\x08" + varint(n) for n in shape))
    return parse_proto(b"\x08\x07\x12" + varint(len(dims)) + dims)


def allocate(dtype: DType, shape: tuple[int, ...]) -> Tensor:
    """A new tensor: strings empty, numbers not yet written."""
    if dtype is dtypes.STRING:
        return _empty_strings(shape)
    dims = (ctypes.c_int64 * len(shape))(*shape)
    return adopt(
        library().TF_AllocateTensor(dtype.enum, dims, len(shape), math.prod(shape) * dtype.size)
    )


def from_strings(values: Sequence[bytes], shape: tuple[int, ...] | None = None) -> Tensor:
    """A string tensor of `shape`, by default a vector."""
    tensor = _empty_strings((len(values),) if shape is None else shape)
    copy, cell = library().TF_StringCopy, tensor.address
    for value in values:
        copy(cell, value, len(value))
        cell += 24
    return tensor


def from_numpy(values: np.ndarray, dtype: DType) -> Tensor:
    """A tensor with the values of an array in C order; strings are objects of bytes."""
    if dtype is dtypes.STRING:
        return from_strings(values.ravel().tolist(), values.shape)
    tensor = allocate(dtype, values.shape)
    ctypes.memmove(tensor.address, values.ctypes.data, values.nbytes)
    return tensor
