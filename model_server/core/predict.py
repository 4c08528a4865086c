"""Predict."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from model_server.core.tensor_protos import decode, encode
from model_server.errors import (
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    StatusError,
)
from model_server.runtime.tensor import Tensor
from model_server.servable import DEFAULT_SIGNATURE, Servable, Signature
from serving_client import protos

_METHODS = tuple(f"tensorflow/serving/{kind}" for kind in ("classify", "predict", "regress"))


def predict(
    servable: Servable,
    request: Any,
    *,
    timeout_ms: int | None = None,
    check_method: bool = False,
    as_content: bool = False,
) -> Any:
    """Answer a PredictRequest with a PredictResponse.

    `check_method` demands one of the known method names of the signature; `as_content` packs
    numbers into `tensor_content`.

    Raises:
        StatusError: the request does not fit the signature, or what TensorFlow says of the run.
    """
    signature = _signature(servable, request.model_spec.signature_name, check_method)
    feeds = read_inputs(signature, request.inputs)
    aliases = _outputs(signature, request.output_filter)
    tensors = servable.run("Predict", feeds, [signature.outputs[a] for a in aliases], timeout_ms)
    response = protos.PredictResponse()
    fill_spec(response.model_spec, servable, signature)
    for alias, tensor in zip(aliases, tensors, strict=True):
        encode(tensor, response.outputs[alias], as_content)
    return response


def fill_spec(spec: Any, servable: Servable, signature: Signature) -> None:
    """Say which model, version and signature answered."""
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature.key


def _signature(servable: Servable, key: str, check_method: bool) -> Signature:
    signature = servable.signatures.get(key or DEFAULT_SIGNATURE)
    if signature is None:
        raise FailedPreconditionError(
            f'Serving signature key "{key or DEFAULT_SIGNATURE}" not found.'
        )
    if check_method and signature.method not in _METHODS:
        raise InternalError(
            "Expected prediction signature method_name to be one of "
            f"{{{', '.join(_METHODS)}}}. Was: {signature.method}"
        )
    return signature


def read_inputs(signature: Signature, inputs: Any) -> list[tuple[str, Tensor]]:
    """Decode `inputs` (alias to TensorProto) into feeds, defaults filled in.

    Raises:
        InvalidArgumentError: too many, too few, wrong names, or a tensor that cannot be decoded.
    """
    wanted = signature.inputs
    if len(inputs) > len(wanted) or (len(inputs) < len(wanted) and not signature.defaults):
        raise InvalidArgumentError(
            f"input size does not match signature: {len(inputs)}!={len(wanted)} "
            f"len({_set(inputs)}) != len({_set(wanted)}). "
            f"Sent extra: {_set(inputs.keys() - wanted.keys())}. "
            f"Missing but required: {_set(wanted.keys() - inputs.keys())}."
        )
    feeds = []
    used = []
    for alias, name in wanted.items():
        if alias in inputs:
            used.append(alias)
            try:
                feeds.append((name, decode(inputs[alias])))
            except StatusError as error:
                raise InvalidArgumentError(f"tensor parsing error: {alias}") from error
        elif alias in signature.defaults:
            feeds.append((name, signature.defaults[alias]))
        else:
            raise InvalidArgumentError(
                f"Signature input alias: {alias}(feed name: {name}) not found in request and no "
                "default value provided. Inputs expected to be in the request "
                f"{_set(inputs)}, or default input alias set: {_set(signature.defaults)}"
            )
    if len(used) < len(inputs):
        raise InvalidArgumentError(
            f"Inputs contains invalid name. Used request inputs: {_set(used)}, "
            f"request input: {_set(inputs)}"
        )
    return feeds


def _outputs(signature: Signature, only: Collection[str]) -> list[str]:
    if not only:
        return list(signature.outputs)
    seen = set()
    for alias in only:
        if alias not in signature.outputs:
            raise InvalidArgumentError(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {_set(signature.outputs)}."
            )
        if alias in seen:
            raise InvalidArgumentError(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
    return list(only)


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
