"""dict ↔ tf.Example, without TensorFlow.

    example = to_example({"text": "hello", "weight": 0.5, "ids": [1, 2]})

str and bytes become a bytes list, bool and int an int64 list, float a float list; so do lists and
numpy arrays of them. Lists that mix int and float are float lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf.message import Message

from serving_client import protos
from serving_client.errors import InputError


def to_example(features: Mapping[str, Any]) -> Any:
    """The Example message of a dict. InputError names the feature that does not fit."""
    example = protos.Example()
    target = example.features.feature
    for name, value in features.items():
        if not isinstance(name, str):
            raise InputError(f"a feature's name must be text, not {name!r}")
        _fill(target[name], name, value)
    return example


def from_example(data: Any) -> dict[str, list[Any]]:
    """The features of an Example, message or serialised: lists of bytes, int or float."""
    example = protos.Example.FromString(data) if isinstance(data, bytes) else data
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[name] = list(getattr(feature, kind).value) if kind else []
    return found


def to_input(examples: Any, context: Mapping[str, Any] | None = None) -> Any:
    """The Input message of Classify and Regress.

    `examples` is one dict or a list of them; Example messages and their bytes do as well. `context`
    holds features that all examples share; an example's own features override them.
    """
    alone = isinstance(examples, Mapping | bytes | Message)
    try:
        many = [examples] if alone else list(examples)
    except TypeError as error:
        raise InputError(
            f"examples are a dict or a list of them, not {type(examples).__name__}"
        ) from error
    if not many:
        raise InputError("no examples given")
    message = protos.Input()
    if context is None:
        target = message.example_list
    else:
        target = message.example_list_with_context
        target.context.CopyFrom(to_example(context))
    target.examples.extend([_one(example) for example in many])
    return message


def _one(example: Any) -> Any:
    if isinstance(example, Mapping):
        return to_example(example)
    if isinstance(example, bytes):
        return protos.Example.FromString(example)
    if isinstance(example, protos.Example):
        return example
    if getattr(getattr(example, "DESCRIPTOR", None), "full_name", "") == "tensorflow.Example":
        return protos.Example.FromString(example.SerializeToString())  # TensorFlow's own class
    raise InputError(f"an example is a dict of features, not {type(example).__name__}")


def _fill(feature: Any, name: str, value: Any) -> None:
    if isinstance(value, str | bytes):
        value = [value]
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    elif isinstance(value, np.generic):
        value = [value.item()]
    elif not isinstance(value, list | tuple):
        value = [value]
    kinds = {_kind(name, item) for item in value}
    if kinds == {"bytes"}:
        feature.bytes_list.value.extend(
            [item.encode() if isinstance(item, str) else item for item in value]
        )
    elif kinds == {"int"}:
        try:
            feature.int64_list.value.extend([int(item) for item in value])
        except (ValueError, OverflowError) as error:
            raise InputError(f"feature {name!r}: {error}") from error
    elif kinds and kinds <= {"int", "float"}:
        feature.float_list.value.extend([float(item) for item in value])
    elif kinds:
        raise InputError(f"feature {name!r} mixes text and numbers")


def _kind(name: str, item: Any) -> str:
    if isinstance(item, str | bytes):
        return "bytes"
    if isinstance(item, bool | int | np.integer | np.bool_):
        return "int"
    if isinstance(item, float | np.floating):
        return "float"
    raise InputError(
        f"feature {name!r}: {type(item).__name__} is no text, number, or flat list of them"
    )
