"""Classify, Regress and MultiInference."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from model_server.core import classify, regress
from model_server.core.examples import read_examples
from model_server.core.predict import fill_spec
from model_server.errors import InvalidArgumentError, UnimplementedError
from model_server.servable import DEFAULT_SIGNATURE, Servable, Signature
from serving_client import protos

_KINDS: dict[str, ModuleType] = {classify.METHOD: classify, regress.METHOD: regress}


def run_classify(
    servable: Servable, request: Any, *, timeout_ms: int | None = None, check_method: bool = False
) -> Any:
    """Answer a ClassificationRequest.

    Raises:
        StatusError: the signature or its outputs do not classify, or what TensorFlow says.
    """
    response = protos.ClassificationResponse()
    _run_one(classify, servable, request, response, timeout_ms, check_method)
    return response


def run_regress(
    servable: Servable, request: Any, *, timeout_ms: int | None = None, check_method: bool = False
) -> Any:
    """Answer a RegressionRequest.

    Raises:
        StatusError: the signature or its output do not regress, or what TensorFlow says.
    """
    response = protos.RegressionResponse()
    _run_one(regress, servable, request, response, timeout_ms, check_method)
    return response


def _run_one(
    kind: ModuleType,
    servable: Servable,
    request: Any,
    response: Any,
    timeout_ms: int | None,
    check_method: bool,
) -> None:
    key = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(key)
    if signature is None:
        raise InvalidArgumentError(f"No signature was found with the name: {key}")
    outputs = kind.check_signature(signature, check_method)
    examples = read_examples(request.input)
    feeds = [(signature.inputs[kind.INPUT], examples)]
    tensors = servable.run(kind.API, feeds, list(outputs.values()), timeout_ms)
    fetched = dict(zip(outputs, tensors, strict=True))
    response.result.CopyFrom(kind.result(fetched, examples.shape[0]))
    fill_spec(response.model_spec, servable, signature)


def run_multi_inference(
    servable: Servable, request: Any, *, timeout_ms: int | None = None, check_method: bool = False
) -> Any:
    """Answer a MultiInferenceRequest: one run for all tasks.

    Raises:
        StatusError: a task does not fit the model, or what TensorFlow says.
    """
    name = request.tasks[0].model_spec.name
    plans: list[tuple[ModuleType, Signature, dict[str, str]]] = []
    for task in request.tasks:
        kind, signature = _task(servable, task, name)
        if any(signature is other for _, other, _ in plans):
            raise InvalidArgumentError(f"Duplicate evaluation of signature: {signature.key}")
        plans.append((kind, signature, kind.check_signature(signature, check_method)))
    examples = read_examples(request.input)
    inputs = {signature.inputs[kind.INPUT]: examples for kind, signature, _ in plans}
    fetches = sorted({tensor for _, _, outputs in plans for tensor in outputs.values()})
    tensors = servable.graph.run(list(inputs.items()), fetches, timeout_ms)
    fetched = dict(zip(fetches, tensors, strict=True))
    response = protos.MultiInferenceResponse()
    for kind, signature, outputs in plans:
        entry = response.results.add()
        fill_spec(entry.model_spec, servable, signature)
        own = {alias: fetched[tensor] for alias, tensor in outputs.items()}
        made = kind.result(own, examples.shape[0])
        field = entry.classification_result if kind is classify else entry.regression_result
        field.CopyFrom(made)
    return response


def _task(servable: Servable, task: Any, name: str) -> tuple[ModuleType, Signature]:
    if not task.model_spec.name:
        raise InvalidArgumentError("Found ModelSpec with an empty model name.")
    if task.model_spec.name != name:
        raise InvalidArgumentError(
            "All ModelSpecs in a MultiInferenceRequest must access the same model name."
        )
    key = task.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(key)
    if signature is None:
        raise InvalidArgumentError(f"Requested signature not found in model graph: {key}")
    kind = _KINDS.get(task.method_name)
    if kind is None:
        raise UnimplementedError(f"Unsupported signature method_name: {task.method_name}")
    return kind, signature
