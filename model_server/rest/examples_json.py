"""Classify and regress bodies: JSON objects into Examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_server.errors import InvalidArgumentError
from model_server.rest.parsing import kind, proto_text, show, text_bytes
from model_server.rest.values import decode_base64, is_base64
from serving_client import protos


def read_examples(document: Mapping[str, Any], method: str, message: Any) -> None:
    """Fill the Input `message` with the document's examples and context.

    Raises:
        InvalidArgumentError: they are missing, or not Examples.
    """
    items = document.get("examples")
    if "examples" not in document:
        raise InvalidArgumentError(
            f"JSON Value: {show(document)} When method is {method}, key 'examples' is expected "
            "and was not found"
        )
    if not isinstance(items, list):
        raise InvalidArgumentError(
            f"JSON Value: {show(document)} Expecting 'examples' value to be an list/array"
        )
    if not items:
        raise InvalidArgumentError(
            f"JSON Value: {show(document)} 'examples' value is an empty array"
        )
    if "context" in document:
        batch = message.example_list_with_context
        batch.context.CopyFrom(_example(document["context"]))
    else:
        batch = message.example_list
    batch.examples.extend([_example(item) for item in items])


def _example(item: Any) -> Any:
    if not isinstance(item, dict):
        raise InvalidArgumentError(f"Example must be JSON object but got JSON {kind(item)}")
    message = protos.Example()
    for name, value in item.items():
        _fill(name, value if isinstance(value, list) else [value], message)
    return message


def _fill(name: str, values: list[Any], message: Any) -> None:
    feature = message.features.feature[proto_text(name)]
    if not values:
        return
    wanted = _kind(name, values[0])
    for value in values:
        if _kind(name, value) != wanted:
            raise InvalidArgumentError(
                f"Unexpected element type in feature: {name} expecting type: {wanted}"
            )
    if wanted == "bytes":
        feature.bytes_list.value.extend(
            [text_bytes(v) if isinstance(v, str) else decode_base64(v) for v in values]
        )
    elif wanted == "int64":
        if any(not -(2**63) <= value < 2**63 for value in values):
            raise InvalidArgumentError(
                f"Feature: {name} has uint64_t element. Only int64_t is supported."
            )
        feature.int64_list.value.extend(values)
    else:
        feature.float_list.value.extend(values)


def _kind(name: str, value: Any) -> str:
    if isinstance(value, str) or is_base64(value):
        return "bytes"
    if isinstance(value, int):
        return "int64"
    if isinstance(value, float):
        return "float"
    raise InvalidArgumentError(
        f"Feature: {name} has element with unexpected JSON type: {kind(value)}"
    )
