"""Routes of the REST API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format

from model_server.core.calls import Calls
from model_server.core.predict import predict
from model_server.errors import InvalidArgumentError, StatusError
from model_server.rest import formatting
from model_server.rest.examples_json import read_examples
from model_server.rest.http import Request, Response, html_page
from model_server.rest.parsing import parse_object, proto_text, show
from model_server.rest.predict_json import read_inputs
from model_server.servable import DEFAULT_SIGNATURE, Servable, Signature
from serving_client import protos

_MODEL = r"/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_INFER = re.compile(rf"(?i:/v1{_MODEL}):(?P<method>predict|classify|regress)")
_STATUS = re.compile(rf"(?i:/v1{_MODEL})")
_METADATA = re.compile(rf"(?i:/v1{_MODEL}/metadata)")
_NAMELESS = re.compile(r"(?i:/v1/models/?)")

_JSON = {"Content-Type": "application/json"}
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


@dataclass(frozen=True)
class RestApi:
    """Answers requests; `metrics_path` serves the Prometheus page unless it is empty.

    `timeout_ms` bounds a run; None means no limit.
    """

    calls: Calls
    timeout_ms: int | None = 30_000
    cors: bool = False
    metrics_path: str = ""

    def __call__(self, request: Request) -> Response:
        """The answer to one request."""
        path, _, query = request.target.partition("?")
        if self.metrics_path and path == self.metrics_path:
            return self._metrics(request.target, query)
        if not path.lower().startswith("/v1/"):
            return html_page(404)
        cors = _CORS if self.cors else {}
        if request.method == "OPTIONS":
            origin = request.headers.get("origin", "")
            allowed = "http://" in origin or "https://" in origin
            return Response(200 if allowed else 400, b"", cors)
        status, text = self._counted(request)
        body = text.encode("utf-8", "surrogateescape")
        return Response(status, body, {**_JSON, **cors})

    def _counted(self, request: Request) -> tuple[int, str]:
        call = _Call(request)
        try:
            text = self.calls.counted(call.api, "REST", self._run)(call, self.timeout_ms)
        except StatusError as error:
            return error.http_status, formatting.error(error.message)
        return 200, text

    def _run(self, call: _Call, timeout_ms: int | None) -> str:
        call.route()
        if call.kind == "status":
            request = protos.GetModelStatusRequest(model_spec=call.model_spec)
            return _proto_json(self.calls.status(request), names=True)
        if call.kind == "metadata":
            return self._metadata(call.model_spec)
        document = parse_object(call.request.body)
        signature_name = document.get("signature_name", "")
        if not isinstance(signature_name, str):
            raise InvalidArgumentError(
                f"JSON Value: {show(document)} not formatted correctly. 'signature_name' key must "
                "be a string value."
            )
        call.model_spec.signature_name = proto_text(signature_name)
        if call.kind == "predict":
            return self._predict(document, call.model_spec, timeout_ms)
        if call.kind == "classify":
            request = protos.ClassificationRequest(model_spec=call.model_spec)
            read_examples(document, call.kind, request.input)
            return formatting.classifications(self.calls.classify(request, timeout_ms).result)
        request = protos.RegressionRequest(model_spec=call.model_spec)
        read_examples(document, call.kind, request.input)
        return formatting.regressions(self.calls.regress(request, timeout_ms).result)

    def _predict(self, document: Mapping[str, Any], spec: Any, timeout_ms: int | None) -> str:
        with self.calls.lookup.lend_spec(spec) as servable:
            signature = _signature(servable, spec.signature_name)
            inputs, in_rows = read_inputs(document, signature)
            request = protos.PredictRequest(model_spec=spec)
            for alias, proto in inputs.items():
                request.inputs[alias].CopyFrom(proto)
            response = predict(
                servable, request, timeout_ms=timeout_ms, check_method=self.calls.check_method
            )
        return (
            formatting.rows(response.outputs) if in_rows else formatting.columns(response.outputs)
        )

    def _metadata(self, spec: Any) -> str:
        request = protos.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        response = self.calls.metadata(request)
        signatures = protos.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        answered = protos.ModelSpec(name=response.model_spec.name)
        answered.version.value = response.model_spec.version.value
        inner = _proto_json(signatures, names=True).rstrip("\n")
        return (
            f'{{\n"model_spec":{_proto_json(answered, names=True).rstrip()}\n,\n'
            f'"metadata": {{"signature_def": {inner}\n}}\n}}\n'
        )

    def _metrics(self, target: str, query: str) -> Response:
        if query:
            text = f"Unexpected path: {target}. Should be {self.metrics_path}"
            return Response(400, text.encode(), {"Content-Type": "text/plain"})
        page = self.calls.metrics.page()
        return Response(200, page.encode(), {"Content-Type": "text/plain"})


class _Call:
    """What a path asks for; filled by `route`, also when that fails half way."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.model_spec = protos.ModelSpec()
        self.kind = ""
        match = _INFER.fullmatch(request.target) if request.method == "POST" else None
        # How metrics name the method: not at all where something is only looked up.
        self.api = match["method"] if match else ""

    def route(self) -> None:
        """Match the path.

        Raises:
            InvalidArgumentError: no route has this form.
        """
        request = self.request
        match = None
        if request.method == "POST":
            match = _INFER.fullmatch(request.target)
            self.kind = match["method"] if match else ""
        elif request.method == "GET":
            match = _METADATA.fullmatch(request.target)
            self.kind = "metadata" if match else "status"
            match = match or _STATUS.fullmatch(request.target)
            if match is None and _NAMELESS.fullmatch(request.target):
                raise InvalidArgumentError("Missing model name in request.")
        if match is None:
            raise InvalidArgumentError(f"Malformed request: {request.method} {request.target}")
        self.model_spec.name = _unquote(match["name"])
        if match["version"]:
            if int(match["version"]) >= 2**63:
                raise InvalidArgumentError(
                    f"Failed to convert version: {match['version']} to numeric."
                )
            self.model_spec.version.value = int(match["version"])
        elif match["label"]:
            self.model_spec.version_label = _unquote(match["label"])


def _unquote(text: str) -> str:
    return unquote(text, errors="replace")


def _signature(servable: Servable, key: str) -> Signature:
    signature = servable.signatures.get(key or DEFAULT_SIGNATURE)
    if signature is None:
        raise InvalidArgumentError(
            f'Serving signature name: "{key or DEFAULT_SIGNATURE}" not found in signature def'
        )
    return signature


def _proto_json(message: Any, names: bool) -> str:
    text = json_format.MessageToJson(
        message,
        preserving_proto_field_name=names,
        always_print_fields_with_no_presence=True,
        indent=1,
        descriptor_pool=protos.POOL,
        ensure_ascii=False,
    )
    return text + "\n"
