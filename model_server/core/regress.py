"""What makes a signature a regressor, and its output a RegressionResult."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_server.core.classify import describe
from model_server.errors import InvalidArgumentError
from model_server.runtime import dtypes
from model_server.runtime.tensor import Tensor
from model_server.servable import Signature
from serving_client import protos

API = "Regress"
METHOD = "tensorflow/serving/regress"
INPUT, OUTPUT = "inputs", "outputs"


def check_signature(signature: Signature, check_method: bool) -> dict[str, str]:
    """The output to fetch, alias to tensor name.

    Raises:
        InvalidArgumentError: the signature has not the shape of a regressor.
    """
    if check_method and signature.method != METHOD:
        raise InvalidArgumentError(
            f"Expected regression signature method_name to be {METHOD}. Was: {signature.method}"
        )
    if len(signature.inputs) != 1:
        raise InvalidArgumentError("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise InvalidArgumentError("Expected one output Tensor.")
    if INPUT not in signature.inputs:
        raise InvalidArgumentError(
            f"No regression inputs found in SignatureDef: {signature.definition}"
        )
    if OUTPUT not in signature.outputs:
        raise InvalidArgumentError(
            f"No regression outputs found in SignatureDef: {signature.definition}"
        )
    return dict(signature.outputs)


def result(outputs: Mapping[str, Tensor], count: int) -> Any:
    """A RegressionResult of `count` examples from the tensor fetched.

    Raises:
        InvalidArgumentError: it is not float [count] or [count, 1].
    """
    tensor = outputs[OUTPUT]
    shape = tensor.shape
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise InvalidArgumentError(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{describe(shape)}"
        )
    if shape[0] != count:
        raise InvalidArgumentError(
            f"Input batch size did not match output batch size: {count} vs. {shape[0]}"
        )
    if tensor.dtype is not dtypes.FLOAT:
        raise InvalidArgumentError(
            f"Expected output Tensor of DT_FLOAT.  Got: DT_{tensor.dtype.name.upper()}"
        )
    message = protos.RegressionResult()
    for value in tensor.numpy().ravel().tolist():
        message.regressions.add(value=value)
    return message
