"""What makes a signature a classifier, and its outputs a ClassificationResult."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_server.errors import InvalidArgumentError
from model_server.runtime import dtypes
from model_server.runtime.tensor import Tensor
from model_server.servable import Signature
from serving_client import protos

API = "Classify"
METHOD = "tensorflow/serving/classify"
INPUT, CLASSES, SCORES = "inputs", "classes", "scores"


def check_signature(signature: Signature, check_method: bool) -> dict[str, str]:
    """The outputs to fetch, alias to tensor name.

    Raises:
        InvalidArgumentError: the signature has not the shape of a classifier.
    """
    if check_method and signature.method != METHOD:
        raise InvalidArgumentError(
            f"Expected classification signature method_name to be {METHOD}. Was: {signature.method}"
        )
    if len(signature.inputs) != 1:
        raise InvalidArgumentError("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise InvalidArgumentError(
            f"Expected one or two output Tensors, found {len(signature.outputs)}"
        )
    if INPUT not in signature.inputs:
        raise InvalidArgumentError(
            f"No classification inputs found in SignatureDef: {signature.definition}"
        )
    outputs = {k: v for k, v in signature.outputs.items() if k in (CLASSES, SCORES)}
    if not outputs:
        raise InvalidArgumentError(
            'Expected classification signature outputs to contain at least one of "classes" or '
            f'"scores". Signature was: {signature.definition}'
        )
    return outputs


def result(outputs: Mapping[str, Tensor], count: int) -> Any:
    """A ClassificationResult of `count` examples from the tensors fetched.

    Raises:
        InvalidArgumentError: a tensor is not [count, classes], or not of its type.
    """
    classes, scores = outputs.get(CLASSES), outputs.get(SCORES)
    for alias, tensor, wanted in (
        (CLASSES, classes, dtypes.STRING),
        (SCORES, scores, dtypes.FLOAT),
    ):
        if tensor is not None:
            _check(alias, tensor, wanted, count)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise InvalidArgumentError(
            "Tensors class and score should match in dim_size(1). "
            f"Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    width = (classes if classes is not None else scores).shape[1]
    labels = classes.strings() if classes is not None else [b""] * (count * width)
    numbers = scores.numpy().ravel().tolist() if scores is not None else [0.0] * (count * width)
    message = protos.ClassificationResult()
    for row in range(count):
        entry = message.classifications.add()
        for column in range(row * width, (row + 1) * width):
            entry.classes.add(
                label=labels[column].decode("utf-8", "replace"), score=numbers[column]
            )
    return message


def _check(alias: str, tensor: Tensor, wanted: dtypes.DType, count: int) -> None:
    if len(tensor.shape) != 2:
        raise InvalidArgumentError(
            f"Expected Tensor shape: [batch_size num_classes] but got {describe(tensor.shape)}"
        )
    if tensor.dtype is not wanted:
        raise InvalidArgumentError(
            f"Expected {alias} Tensor of DT_{wanted.name.upper()}. "
            f"Got: DT_{tensor.dtype.name.upper()}"
        )
    if tensor.shape[0] != count:
        raise InvalidArgumentError(
            f"Expected {alias} output batch size of {count}. Got: {tensor.shape[0]}"
        )


def describe(shape: tuple[int, ...]) -> str:
    """A shape as TensorFlow prints it: `[2,3]`."""
    return "[" + ",".join(map(str, shape)) + "]"
