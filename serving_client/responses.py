"""Messages of Predict, Classify, Regress and MultiInference → results."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from serving_client import tensors
from serving_client.errors import ResponseError, TensorError
from serving_client.results import (
    DEFAULT_SIGNATURE,
    Class,
    Classification,
    Prediction,
    Regression,
)


def _version(spec: Any) -> int | None:
    # REST does not tell it; 0 would be wrong, it is a version like any other.
    return spec.version.value if spec.HasField("version") else None


def prediction(response: Any) -> Prediction:
    """Read a PredictResponse."""
    spec = response.model_spec
    outputs = {}
    allowance = tensors.Allowance()
    found = response.outputs
    for name in found:
        try:
            outputs[name] = tensors.from_proto(found[name], allowance)
        except TensorError as error:
            raise ResponseError(f"output {name!r}: {error.message}") from error
    return Prediction(outputs, spec.name, _version(spec), spec.signature_name or DEFAULT_SIGNATURE)


def _classes(result: Any) -> tuple[tuple[Class, ...], ...]:
    return tuple(
        tuple(Class(each.label, each.score) for each in example.classes)
        for example in result.classifications
    )


def _values(result: Any) -> npt.NDArray[Any]:
    return np.array([each.value for each in result.regressions], dtype=np.float32)


def classification(response: Any) -> Classification:
    """Read a ClassificationResponse."""
    spec = response.model_spec
    return Classification(_classes(response.result), spec.name, _version(spec), spec.signature_name)


def regression(response: Any) -> Regression:
    """Read a RegressionResponse."""
    spec = response.model_spec
    return Regression(_values(response.result), spec.name, _version(spec), spec.signature_name)


def multi_inference(response: Any) -> tuple[Classification | Regression, ...]:
    """Read a MultiInferenceResponse, one result for each task in order."""
    found: list[Classification | Regression] = []
    for each in response.results:
        spec = each.model_spec
        who = (spec.name, _version(spec), spec.signature_name)
        kind = each.WhichOneof("result")
        if kind == "classification_result":
            found.append(Classification(_classes(each.classification_result), *who))
        elif kind == "regression_result":
            found.append(Regression(_values(each.regression_result), *who))
        else:
            raise ResponseError("a task of MultiInference came back without a result")
    return tuple(found)
