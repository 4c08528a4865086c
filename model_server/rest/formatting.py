"""JSON as TF Serving writes it: 4 spaces, and the fewest digits that read back."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from model_server.errors import InvalidArgumentError
from model_server.runtime import dtypes
from serving_client import protos, tensors

_INTEGERS = {3, 4, 5, 6, 9, 22, 23}
_PAD = "    "
_FLOAT = struct.Struct("<f")

Render = Callable[[Any], str]


def number32(value: float) -> str:
    """A float32."""
    text = f"{value:.6g}"
    try:
        if _FLOAT.unpack(_FLOAT.pack(float(text)))[0] != value:
            text = f"{value:.9g}"
    except OverflowError:
        text = f"{value:.9g}"
    return _finish(value, text)


def number64(value: float) -> str:
    """A float64."""
    text = f"{value:.6g}"
    return _finish(value, text if float(text) == value else f"{value:.17g}")


def _finish(value: float, text: str) -> str:
    if math.isfinite(value):
        return text if "." in text or "e" in text else text + ".0"
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def string(data: bytes) -> str:
    """A JSON string; bytes that are not UTF-8 are written as they are."""
    text = data.decode("utf-8", "surrogateescape")
    return json.dumps(text, ensure_ascii=False)


def _base64(data: bytes) -> str:
    return '{"b64": "' + base64.b64encode(data).decode() + '"}'


def renderer(alias: str, dtype: int) -> Render:
    """How one value of an output is written.

    Raises:
        InvalidArgumentError: JSON has no form for this data type.
    """
    if dtype == dtypes.FLOAT.enum:
        return number32
    if dtype == 2:
        return number64
    if dtype in _INTEGERS:
        return str
    if dtype == dtypes.BOOL.enum:
        return lambda value: "true" if value else "false"
    if dtype == dtypes.STRING.enum:
        return _base64 if alias.endswith("_bytes") else string
    name = protos.DataType.Name(dtype).removeprefix("DT_").lower()
    raise InvalidArgumentError(f"Failed to write JSON value for tensor type: {name}")


def one_line(value: Any, render: Render) -> str:
    """A nested list on one line."""
    if isinstance(value, list):
        return "[" + ", ".join([one_line(item, render) for item in value]) + "]"
    return render(value)


def many_lines(value: Any, render: Render, indent: int) -> str:
    """A nested list, every item on a line of its own."""
    if not isinstance(value, list):
        return render(value)
    if not value:
        return "[]"
    pad = _PAD * (indent + 1)
    items = ",\n".join([pad + many_lines(item, render, indent + 1) for item in value])
    return f"[\n{items}\n{_PAD * indent}]"


def rows(outputs: Mapping[str, Any]) -> str:
    """`predictions`: outputs (alias to TensorProto) turned into one element per row.

    Raises:
        InvalidArgumentError: an output has no rows, or another number of them.
    """
    lists = {alias: _as_list(alias, proto) for alias, proto in outputs.items()}
    count: int | None = None
    for alias, (values, _) in lists.items():
        if not isinstance(values, list):
            raise InvalidArgumentError(f"Tensor name: {alias} has no shape information ")
        count = len(values) if count is None else count
        if len(values) != count:
            raise InvalidArgumentError(
                f"Tensor name: {alias} has inconsistent batch size: {len(values)} "
                f"expecting: {count}"
            )
    if len(lists) == 1:
        values, render = next(iter(lists.values()))
        text = "[" + ", ".join([one_line(value, render) for value in values])
        return f'{{\n{_PAD}"predictions": {text}\n{_PAD}]\n}}'
    items = []
    for row in range(count or 0):
        fields = [
            f"{_PAD * 3}{string(alias.encode())}: {one_line(values[row], render)}"
            for alias, (values, render) in lists.items()
        ]
        items.append(f"{_PAD * 2}{{\n" + ",\n".join(fields) + f"\n{_PAD * 2}}}")
    return f'{{\n{_PAD}"predictions": [\n' + ",\n".join(items) + f"\n{_PAD}]\n}}"


def columns(outputs: Mapping[str, Any]) -> str:
    """`outputs`: the tensors as they are, one alone without its name."""
    lists = {alias: _as_list(alias, proto) for alias, proto in outputs.items()}
    if len(lists) == 1:
        values, render = next(iter(lists.values()))
        return f'{{\n{_PAD}"outputs": {many_lines(values, render, 1)}\n}}'
    fields = [
        f"{_PAD * 2}{string(alias.encode())}: {many_lines(values, render, 2)}"
        for alias, (values, render) in lists.items()
    ]
    return f'{{\n{_PAD}"outputs": {{\n' + ",\n".join(fields) + f"\n{_PAD}}}\n}}"


def classifications(result: Any) -> str:
    """`results` of a ClassificationResult: a list of [label, score] for each example."""
    items = [
        "["
        + ", ".join([f"[{string(c.label.encode())}, {number32(c.score)}]" for c in row.classes])
        + "]"
        for row in result.classifications
    ]
    return f'{{\n{_PAD}"results": [' + ", ".join(items) + f"\n{_PAD}]\n}}"


def regressions(result: Any) -> str:
    """`results` of a RegressionResult: one number for each example."""
    items: Sequence[str] = [number32(entry.value) for entry in result.regressions]
    return f'{{\n{_PAD}"results": [' + ", ".join(items) + "]\n}"


def error(message: str) -> str:
    """`{"error": ...}`."""
    return f'{{\n{_PAD}"error": {string(message.encode("utf-8", "surrogateescape"))}\n}}'


def _as_list(alias: str, proto: Any) -> tuple[Any, Render]:
    render = renderer(alias, proto.dtype)
    array: np.ndarray = tensors.from_proto(proto)
    return array.tolist(), render
