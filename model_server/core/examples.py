"""The Input message of Classify, Regress and MultiInference: Examples as serialized strings."""

from __future__ import annotations

from typing import Any

from model_server.errors import InvalidArgumentError
from model_server.runtime.tensor import Tensor, from_strings


def read_examples(message: Any) -> Tensor:
    """A string vector [n] of serialized Examples; the graph parses them.

    A context comes before each Example's own bytes, so that its features are merged in and the
    Example's win.

    Raises:
        InvalidArgumentError: there is no Example.
    """
    kind = message.WhichOneof("kind")
    if kind == "example_list_with_context":
        batch = message.example_list_with_context
        context = batch.context.SerializeToString()
        values = [context + example.SerializeToString() for example in batch.examples]
    else:
        values = [example.SerializeToString() for example in message.example_list.examples]
    if not values:
        raise InvalidArgumentError("Input is empty.")
    return from_strings(values)
