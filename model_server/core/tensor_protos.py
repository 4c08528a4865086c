"""TensorProto messages to tensors in TensorFlow's memory, and back."""

from __future__ import annotations

import math
from typing import Any

from model_server.errors import InvalidArgumentError
from model_server.runtime import dtypes
from model_server.runtime.tensor import Tensor, parse_proto
from model_server.runtime.wire import varint

# A decoded tensor may be this much larger than its message: without a bound, a few bytes could
# ask for terabytes of "the last value repeated".
MAX_EXPANSION_BYTES = 1 << 30


def decode(proto: Any) -> Tensor:
    """A TensorProto by TensorFlow's own rules.

    Raises:
        InvalidArgumentError: it cannot be read, or its shape is far beyond its content.
    """
    dtype = dtypes.BY_ENUM.get(proto.dtype)
    shape = proto.tensor_shape
    sizes = () if shape.unknown_rank else [dim.size for dim in shape.dim]
    if dtype is None or min(sizes, default=0) < 0:
        raise InvalidArgumentError("the data type or a dimension is not valid")
    data = proto.SerializeToString()
    count = math.prod(sizes)
    if dtype is dtypes.STRING:
        values = proto.string_val
        repeated = 24 + (len(values[-1]) if values else 0)
        expansion = (count - len(values)) * repeated
    else:
        expansion = count * dtype.size - 8 * len(data)
    if expansion > MAX_EXPANSION_BYTES:
        raise InvalidArgumentError("the shape is far larger than the values given")
    return parse_proto(data)


def encode(tensor: Tensor, proto: Any, as_content: bool) -> None:
    """Write a tensor into an empty TensorProto: typed fields, or `tensor_content` if asked.

    Strings stay in `string_val` either way.
    """
    dtype = tensor.dtype
    proto.dtype = dtype.enum
    proto.tensor_shape.SetInParent()
    for size in tensor.shape:
        proto.tensor_shape.dim.add(size=size)
    if not tensor.size:
        return
    if dtype is dtypes.STRING:
        proto.string_val.extend(tensor.strings())
    elif as_content:
        proto.tensor_content = bytes(tensor.memory())
    elif dtype.packed:
        # A packed field is the values' own bytes: no number is turned into a Python object.
        head = varint(dtype.number << 3 | 2) + varint(tensor.nbytes)
        proto.MergeFromString(head + tensor.memory())
    else:
        getattr(proto, dtype.field).extend(tensor.numpy().ravel().tolist())
