"""One interpreter: a copy of the model that runs one request at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model_server.errors import AlreadyExistsError, InternalError, InvalidArgumentError
from model_server.runtime import dtypes
from model_server.runtime.dtypes import DType
from model_server.runtime.tensor import Tensor, from_numpy
from serving_client import protos

# The types TF Serving knows here, by the interpreter's numpy type.
_DTYPES: dict[type, DType] = {
    np.float32: dtypes.FLOAT,
    np.int32: dtypes.INT32,
    np.uint8: dtypes.BY_ENUM[4],
    np.int64: dtypes.INT64,
    np.bytes_: dtypes.STRING,
    np.bool_: dtypes.BOOL,
    np.int16: dtypes.BY_ENUM[5],
    np.complex64: dtypes.BY_ENUM[8],
    np.int8: dtypes.BY_ENUM[6],
}


class _Slot:
    """An input or output tensor of the model; the shape is None when it is not known."""

    __slots__ = ("dtype", "index", "name", "shape")

    def __init__(self, details: Mapping[str, Any]) -> None:
        self.index = details["index"]
        self.name = details["name"]
        self.shape: tuple[int, ...] | None = tuple(details["shape"].tolist())
        dtype = _DTYPES.get(details["dtype"])
        if dtype is None:
            raise InternalError(f"Unknown TfLite type: {details['dtype'].__name__} of {self.name}")
        self.dtype = dtype

    def info(self) -> Any:
        """Its TensorInfo."""
        info = protos.TensorInfo(name=self.name, dtype=self.dtype.enum)
        info.tensor_shape.SetInParent()
        for size in self.shape or ():
            info.tensor_shape.dim.add(size=size)
        return info


class Interpreter:
    """Runs the model in `content` (a flatbuffer), with one thread. Not safe from several threads.

    `inputs` and `outputs` are TensorInfos by tensor name, with the shapes the file gives them.
    """

    def __init__(self, content: bytes) -> None:
        """Build it and make room for inputs of the shapes in the file.

        Raises:
            InvalidArgumentError: this is not a TensorFlow Lite model.
            InternalError: it needs operations or types that are not there.
        """
        from ai_edge_litert.interpreter import Interpreter as LiteRt

        try:
            self._lite = LiteRt(model_content=content, num_threads=1)
        except ValueError as error:
            raise InvalidArgumentError(
                f"Cannot build FlatBufferModel from buffer. {error}"
            ) from error
        self._ready = False
        self._inputs = _by_name("Input", self._lite.get_input_details())
        self._outputs = _by_name("Output", self._lite.get_output_details())
        self.inputs = {name: slot.info() for name, slot in self._inputs.items()}
        self.outputs = {name: slot.info() for name, slot in self._outputs.items()}
        self._allocate()

    def run(self, feeds: Sequence[tuple[str, Tensor]], fetches: Sequence[str]) -> list[Tensor]:
        """Run once and return the fetched tensors in order.

        Raises:
            InvalidArgumentError: a tensor is not of the model's data type.
            InternalError: a name is unknown, or the model cannot compute these shapes.
        """
        for position, (name, tensor) in enumerate(feeds):
            slot = _slot(self._inputs, name, "input")
            if tensor.dtype is not slot.dtype:
                raise InvalidArgumentError(
                    f"Expects arg[{position}] to be {slot.dtype.name} but {tensor.dtype.name} is "
                    "provided"
                )
            if tensor.shape != slot.shape:
                self._resize(slot, tensor)
        wanted = [_slot(self._outputs, name, "output") for name in fetches]
        if not self._ready:
            self._allocate()
        try:
            for name, tensor in feeds:
                copied = tensor.dtype is dtypes.STRING or not tensor.size
                self._lite.set_tensor(
                    self._inputs[name].index, tensor.numpy() if copied else tensor.view()
                )
            self._lite.invoke()
            # A scalar comes as a number, not as an array.
            values = [np.asarray(self._lite.get_tensor(slot.index)) for slot in wanted]
        except (RuntimeError, ValueError) as error:
            raise InternalError(f"Failed to invoke TfLite interpreter: {error}") from error
        return [from_numpy(array, slot.dtype) for array, slot in zip(values, wanted, strict=True)]

    def _resize(self, slot: _Slot, tensor: Tensor) -> None:
        self._ready = False
        size, slot.shape = math.prod(slot.shape or ()) * slot.dtype.size, None
        try:
            self._lite.resize_tensor_input(slot.index, list(tensor.shape))
        except (RuntimeError, ValueError) as error:
            raise InternalError(
                f"Failed to resize input tensor: {slot.name} from {size} to {tensor.nbytes} bytes. "
                f"{error}"
            ) from error
        slot.shape = tensor.shape

    def _allocate(self) -> None:
        try:
            self._lite.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InternalError(f"Failed to allocate tensors: {error}") from error
        self._ready = True


def _by_name(kind: str, details: Sequence[Mapping[str, Any]]) -> dict[str, _Slot]:
    slots: dict[str, _Slot] = {}
    for entry in details:
        slot = _Slot(entry)
        if slot.name in slots:
            raise AlreadyExistsError(f"{kind} tensor name: {slot.name} has multiple indices")
        slots[slot.name] = slot
    return slots


def _slot(slots: Mapping[str, _Slot], name: str, kind: str) -> _Slot:
    if name not in slots:
        raise InternalError(f"Unknown tensor '{name}'.\n\tMissing {kind} TFLite tensor: {name}")
    return slots[name]
