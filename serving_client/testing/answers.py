"""What the test server answers to each RPC: requests to model functions and back. No gRPC here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving_client import protos, tensors
from serving_client.errors import (
    InvalidArgumentError,
    TensorError,
    UnimplementedError,
    UnknownError,
)
from serving_client.testing.models import ModelStore, Version, signature_of


class Answers:
    """One method for each RPC, named as on the wire."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def Predict(self, request: Any) -> Any:  # noqa: N802
        """PredictRequest → PredictResponse."""
        version = self._find(request)
        name, function = signature_of(version, request.model_spec.signature_name)
        declared = version.definitions.signature_def[name].inputs
        _check_names(set(request.inputs), set(declared))
        inputs = {}
        for alias, proto in request.inputs.items():
            try:
                inputs[alias] = tensors.from_proto(proto)
            except TensorError as error:
                raise InvalidArgumentError(f"tensor parsing error: {alias}") from error
        outputs = dict(function(inputs))
        response = protos.PredictResponse()
        _fill_spec(response.model_spec, request.model_spec, version, name)
        wanted = list(request.output_filter) or list(outputs)
        for alias in wanted:
            if alias not in outputs:
                expected = ",".join(sorted(outputs))
                raise InvalidArgumentError(
                    f"output tensor alias not found in signature: {alias} "
                    f"Outputs expected to be in the set {{{expected}}}."
                )
            response.outputs[alias].CopyFrom(tensors.to_proto(outputs[alias], typed=True))
        return response

    def Classify(self, request: Any) -> Any:  # noqa: N802
        """ClassificationRequest → ClassificationResponse."""
        version = self._find(request)
        response = protos.ClassificationResponse()
        name = _classify(version, request.model_spec, request.input, response.result)
        _fill_spec(response.model_spec, request.model_spec, version, name)
        return response

    def Regress(self, request: Any) -> Any:  # noqa: N802
        """RegressionRequest → RegressionResponse."""
        version = self._find(request)
        response = protos.RegressionResponse()
        name = _regress(version, request.model_spec, request.input, response.result)
        _fill_spec(response.model_spec, request.model_spec, version, name)
        return response

    def MultiInference(self, request: Any) -> Any:  # noqa: N802
        """MultiInferenceRequest → MultiInferenceResponse."""
        first = request.tasks[0].model_spec if request.tasks else protos.ModelSpec()
        version = self._store.find(first)
        response = protos.MultiInferenceResponse()
        for task in request.tasks:
            spec = task.model_spec
            if spec.name != first.name:
                raise InvalidArgumentError(
                    "All ModelSpecs in a MultiInferenceRequest must access the same model name."
                )
            result = response.results.add()
            if task.method_name == "tensorflow/serving/classify":
                name = _classify(version, spec, request.input, result.classification_result)
            elif task.method_name == "tensorflow/serving/regress":
                name = _regress(version, spec, request.input, result.regression_result)
            else:
                raise UnimplementedError(f"Unsupported signature method_name: {task.method_name}")
            _fill_spec(result.model_spec, spec, version, name)
        return response

    def GetModelMetadata(self, request: Any) -> Any:  # noqa: N802
        """GetModelMetadataRequest → GetModelMetadataResponse."""
        if not request.metadata_field:
            raise InvalidArgumentError(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for name in request.metadata_field:
            if name != "signature_def":
                raise InvalidArgumentError(f"Metadata field {name} is not supported")
        version = self._find(request)
        response = protos.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version.number
        response.metadata["signature_def"].Pack(version.definitions)
        return response

    def GetModelStatus(self, request: Any) -> Any:  # noqa: N802
        """GetModelStatusRequest → GetModelStatusResponse."""
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        response = protos.GetModelStatusResponse()
        for version in self._store.versions(request.model_spec):
            entry = response.model_version_status.add(
                version=version.number, state=protos.ModelVersionState.Value(version.state)
            )
            entry.status.error_code = protos.ErrorCode.Value(version.error_code)
            entry.status.error_message = version.error_message
        return response

    def HandleReloadConfigRequest(self, request: Any) -> Any:  # noqa: N802
        """ReloadConfigRequest → ReloadConfigResponse."""
        self._store.reload(request.config)
        response = protos.ReloadConfigResponse()
        response.status.SetInParent()
        for name in request.metric_names:
            response.metric.add(name=name, int64_value_increase=0)
        return response

    def Check(self, request: Any) -> Any:  # noqa: N802
        """HealthCheckRequest → HealthCheckResponse."""
        if request.service in ("", "ModelService", "PredictionService"):
            return protos.HealthCheckResponse(status=protos.ServingStatus.Value("SERVING"))
        return protos.HealthCheckResponse(status=protos.ServingStatus.Value("SERVICE_UNKNOWN"))

    def _find(self, request: Any) -> Version:
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        return self._store.find(request.model_spec)


def _fill_spec(target: Any, asked: Any, version: Version, signature: str) -> None:
    target.name = asked.name
    target.version.value = version.number
    target.signature_name = signature


def _check_names(given: set[str], declared: set[str]) -> None:
    if given == declared:
        return

    def listed(names: set[str]) -> str:
        return ",".join(sorted(names))

    raise InvalidArgumentError(
        f"input size does not match signature: {len(given)}!={len(declared)} "
        f"len({{{listed(given)}}}) != len({{{listed(declared)}}}). "
        f"Sent extra: {{{listed(given - declared)}}}. "
        f"Missing but required: {{{listed(declared - given)}}}."
    )


def _run_examples(version: Version, spec: Any, given: Any) -> tuple[str, int, Mapping[str, Any]]:
    kind = given.WhichOneof("kind")
    examples = list(getattr(given, kind).examples) if kind else []
    if not examples:
        raise InvalidArgumentError("Input is empty.")
    context = b""
    if kind == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
    name = spec.signature_name or "serving_default"
    if name not in version.functions:
        raise InvalidArgumentError(f"No signature was found with the name: {name}")
    serialized = np.empty(len(examples), dtype=object)
    serialized[:] = [context + each.SerializeToString() for each in examples]
    return name, len(examples), version.functions[name]({"inputs": serialized})


def _classify(version: Version, spec: Any, given: Any, result: Any) -> str:
    name, count, outputs = _run_examples(version, spec, given)
    if not {"classes", "scores"} & set(outputs):
        raise InvalidArgumentError(
            "Expected classification signature outputs to contain at least one of "
            '"classes" or "scores".'
        )
    classes = np.asarray(outputs["classes"]) if "classes" in outputs else None
    scores = np.asarray(outputs["scores"], np.float32) if "scores" in outputs else None
    width = (scores if scores is not None else np.asarray(classes)).shape[1]
    for row in range(count):
        entry = result.classifications.add()
        for column in range(width):
            label = classes[row, column] if classes is not None else ""
            entry.classes.add(
                label=label.decode() if isinstance(label, bytes) else str(label),
                score=float(scores[row, column]) if scores is not None else 0.0,
            )
    return name


def _regress(version: Version, spec: Any, given: Any, result: Any) -> str:
    name, count, outputs = _run_examples(version, spec, given)
    if "outputs" not in outputs:
        raise InvalidArgumentError("No regression outputs found in SignatureDef")
    values = np.asarray(outputs["outputs"], np.float32).reshape(-1)
    if len(values) != count:
        raise UnknownError(f"Input batch size did not match output batch size: {count} vs. ?")
    for value in values:
        result.regressions.add(value=float(value))
    return name
