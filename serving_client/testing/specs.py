"""`"float[?,3]"` → TensorInfo: how a test says what a model's inputs and outputs are."""

from __future__ import annotations

import re
from typing import Any

from serving_client import protos
from serving_client.errors import InputError

_SPEC = re.compile(r"(\w+)(?:\[([^\]]*)\])?$")


def tensor_info(name: str, spec: str) -> Any:
    """A TensorInfo message: dtype in lower case, `?` for any size, `...` for any rank."""
    match = _SPEC.fullmatch(spec.replace(" ", ""))
    dtype = f"DT_{match[1].upper()}" if match else ""
    if match is None or dtype not in protos.DataType.keys():  # noqa: SIM118 - no mapping
        raise InputError(f'{name}: {spec!r} is not a spec such as "float[?,3]" or "string[?]"')
    info = protos.TensorInfo(name=f"{name}:0", dtype=protos.DataType.Value(dtype))
    sizes = match[2] or ""
    if sizes == "...":
        info.tensor_shape.unknown_rank = True
        return info
    info.tensor_shape.SetInParent()
    for size in filter(None, sizes.split(",")):
        info.tensor_shape.dim.add(size=-1 if size == "?" else int(size))
    return info
