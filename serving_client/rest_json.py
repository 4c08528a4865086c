"""Calls ↔ the JSON of TF Serving's REST API. No I/O.

REST has Predict, Classify, Regress, status and metadata. It tells no version with an answer, has no
output filter (outputs are dropped here) and only the dtypes of `_DTYPES`.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from google.protobuf import json_format

from serving_client import protos, tensors
from serving_client.calls import Call
from serving_client.errors import InputError, ResponseError, TensorError, UnimplementedError
from serving_client.examples import from_example
from serving_client.metadata import TensorSpec

_VERBS = {"Predict": "predict", "Classify": "classify", "Regress": "regress"}
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")
_DTYPES = frozenset(("float", "double", "bool", "string", *_INTEGERS))
# What reading a document of another form raises; SystemError is what protobuf makes of a lone
# surrogate.
_MALFORMED = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
    SystemError,
    json_format.ParseError,
)
# Bytes that are no UTF-8 travel through JSON text as lone surrogates, and back unchanged.
_ERRORS = "surrogateescape"


class HttpRequest(NamedTuple):
    """Verb, path below the server's address, and body (None for GET)."""

    verb: str
    path: str
    body: bytes | None


def request(call: Call[Any]) -> HttpRequest:
    """The HTTP request of a call. UnimplementedError for RPCs that REST does not have."""
    name = call.method.name
    if name in _VERBS:
        document = _predict(call) if name == "Predict" else _examples(call)
        if call.signature:
            document["signature_name"] = call.signature
        body = json.dumps(document, separators=(",", ":")).encode()
        return HttpRequest("POST", f"{_path(call)}:{_VERBS[name]}", body)
    if name == "GetModelStatus":
        return HttpRequest("GET", _path(call), None)
    if name == "GetModelMetadata":
        return HttpRequest("GET", f"{_path(call)}/metadata", None)
    raise UnimplementedError(f"the REST API has no {name}; use the gRPC address of the server")


def response(call: Call[Any], body: bytes) -> Any:
    """The response message that gRPC would have given. ResponseError if the body is no answer."""
    try:
        document = json.loads(body.decode(errors=_ERRORS))
    except (ValueError, RecursionError) as error:
        raise ResponseError(f"the answer is not JSON: {error}") from error
    try:
        return _READERS[call.method.name](call, document)
    except _MALFORMED as error:
        raise ResponseError(
            f"the answer is not a {call.method.name} response: {error!r}"
        ) from error


def error_message(body: bytes) -> str:
    """What an error answer says: TF Serving's `error` key, or the beginning of what came."""
    text = body.decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return " ".join(text.split())[:200] or "no message"


def _path(call: Call[Any]) -> str:
    target = call.target
    if target is None:
        raise UnimplementedError(f"the REST API has no {call.method.name} without a model")
    path = f"/v1/models/{quote(target.model, safe='')}"
    if target.version is not None:
        return f"{path}/versions/{target.version}"
    if target.label is not None:
        return f"{path}/labels/{quote(target.label, safe='')}"
    return path


def _predict(call: Call[Any]) -> dict[str, Any]:
    if call.known is not None:
        for name in call.request.output_filter:
            if name not in call.known.outputs:
                there = ", ".join(call.known.outputs)
                raise InputError(f"no output is named {name}; there are {there}")
    columns = {}
    for name, proto in call.request.inputs.items():
        array = tensors.from_proto(proto)
        columns[name] = _to_json(array)
    return {"inputs": columns}


def _to_json(array: Any) -> Any:
    if array.dtype == object:
        return np.frompyfunc(_text, 1, 1)(array).tolist() if array.ndim else _text(array.item())
    if array.dtype.kind not in "biuf":
        array = array.astype(np.float32)
    return array.tolist()


def _text(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(raw).decode()}


def _examples(call: Call[Any]) -> dict[str, Any]:
    given = call.request.input
    kind = getattr(given, given.WhichOneof("kind"))
    document: dict[str, Any] = {"examples": [_features(each) for each in kind.examples]}
    if given.WhichOneof("kind") == "example_list_with_context":
        document["context"] = _features(kind.context)
    return document


def _features(example: Any) -> dict[str, Any]:
    return {
        name: [_text(each) if isinstance(each, bytes) else each for each in values]
        for name, values in from_example(example).items()
        if values
    }


def _read_predict(call: Call[Any], document: Any) -> Any:
    message = protos.PredictResponse(model_spec=call.request.model_spec)
    known = call.known
    value = document["outputs"]
    if known is None:
        raise ResponseError("a REST answer cannot be read without the model's metadata")
    if len(known.outputs) == 1:
        value = {next(iter(known.outputs)): value}
    wanted = list(call.request.output_filter) or list(value)
    for name in wanted:
        if name not in known.outputs:
            raise ResponseError(f"output {name!r} is not in the model's metadata")
        try:
            message.outputs[name].CopyFrom(_tensor(value[name], known.outputs[name]))
        except TensorError as error:
            raise ResponseError(f"output {name!r}: {error.message}") from error
    return message


def _tensor(value: Any, spec: TensorSpec) -> Any:
    if spec.dtype not in _DTYPES:
        raise TensorError(f"dtype {spec.dtype} does not exist in REST")
    if spec.dtype == "string":
        value = _unwrap(value)
    return tensors.to_proto(value, spec.enum)


def _unwrap(value: Any) -> Any:
    if isinstance(value, list):
        return [_unwrap(each) for each in value]
    if isinstance(value, dict):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except binascii.Error as error:
            raise TensorError(f"bad base64: {error}") from error
    return value.encode(errors=_ERRORS)


def _read_classify(call: Call[Any], document: Any) -> Any:
    message = protos.ClassificationResponse(model_spec=call.request.model_spec)
    for example in document["results"]:
        entry = message.result.classifications.add()
        for label, score in example:
            entry.classes.add(label=label, score=score)
    return message


def _read_regress(call: Call[Any], document: Any) -> Any:
    message = protos.RegressionResponse(model_spec=call.request.model_spec)
    for value in document["results"]:
        message.result.regressions.add(value=value)
    return message


def _read_status(call: Call[Any], document: Any) -> Any:
    return json_format.ParseDict(
        document, protos.GetModelStatusResponse(), ignore_unknown_fields=True
    )


def _read_metadata(call: Call[Any], document: Any) -> Any:
    message = protos.GetModelMetadataResponse()
    json_format.ParseDict(document["model_spec"], message.model_spec, ignore_unknown_fields=True)
    signatures = json_format.ParseDict(
        document["metadata"]["signature_def"],
        protos.SignatureDefMap(),
        ignore_unknown_fields=True,
    )
    message.metadata["signature_def"].Pack(signatures)
    return message


_READERS = {
    "Predict": _read_predict,
    "Classify": _read_classify,
    "Regress": _read_regress,
    "GetModelStatus": _read_status,
    "GetModelMetadata": _read_metadata,
}
