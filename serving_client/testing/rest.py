"""The REST side of the test server: JSON in and out of the same answers as gRPC."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format

from serving_client import protos, tensors
from serving_client.errors import InputError, InvalidArgumentError, ServingError, UnknownError
from serving_client.examples import to_input
from serving_client.services import METHODS

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<rest>/metadata|:predict|:classify|:regress)?"
)
_VERBS = {":predict": "Predict", ":classify": "Classify", ":regress": "Regress"}

# (method name, request, headers) -> response; raises ServingError.
Answer = Callable[[str, Any, dict[str, str]], Any]


class RestServer:
    """Serves `answer` over HTTP on a port of the loopback interface."""

    def __init__(self, port: int, answer: Answer) -> None:
        class Handler(_Handler):
            pass

        Handler.answer = staticmethod(answer)
        self._open: set[socket.socket] = set()
        Handler.open_connections = self._open
        self._server = _HttpServer(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and break the connections there are."""
        self._server.shutdown()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client hangs up, as clients with deadlines do."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    answer: Answer
    open_connections: set[socket.socket]

    def setup(self) -> None:
        """Remember the connection, so that `stop` can break it."""
        self.open_connections.add(self.request)
        super().setup()

    def finish(self) -> None:
        """Forget the connection."""
        self.open_connections.discard(self.request)
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Status and metadata."""
        self._reply()

    def do_POST(self) -> None:
        """Predict, classify, regress."""
        self._reply()

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = 200
        try:
            document = self._document(body)
        except InputError as error:
            status, document = 400, {"error": error.message}
        except ServingError as error:
            status, document = error.http_status, {"error": error.message}
        except Exception as error:  # a model function that raises is a model that fails
            status, document = 500, {"error": f"{type(error).__name__}: {error}"}
        data = json.dumps(document, indent=4, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _document(self, body: bytes) -> dict[str, Any]:
        match = _PATH.fullmatch(self.path)
        rest = match["rest"] if match else None
        if match is None or (rest in _VERBS) != (self.command == "POST"):
            raise InvalidArgumentError(f"Malformed request: {self.command} {self.path}")
        spec = protos.ModelSpec(name=unquote(match["name"]))
        if match["version"]:
            spec.version.value = int(match["version"])
        elif match["label"]:
            spec.version_label = unquote(match["label"])
        headers = {name.lower(): value for name, value in self.headers.items()}

        def ask(name: str, **fields: Any) -> Any:
            return self.answer(name, METHODS[name].request(model_spec=spec, **fields), headers)

        if rest is None:
            return _as_dict(ask("GetModelStatus"))
        if rest == "/metadata":
            return _metadata(ask("GetModelMetadata", metadata_field=["signature_def"]))
        try:
            given = json.loads(body)
        except ValueError as error:
            raise InvalidArgumentError(f"JSON Parse error: {error}") from error
        spec.signature_name = given.get("signature_name", "")
        if rest == ":predict":
            found = ask("GetModelMetadata", metadata_field=["signature_def"])
            signatures = protos.SignatureDefMap.FromString(found.metadata["signature_def"].value)
            return _predict(given, signatures, spec, ask)
        examples = [_unwrap(each) for each in given["examples"]]
        context = _unwrap(given["context"]) if "context" in given else None
        answer = ask(_VERBS[rest], input=to_input(examples, context))
        if rest == ":regress":
            return {"results": [each.value for each in answer.result.regressions]}
        return {
            "results": [
                [[each.label, each.score] for each in example.classes]
                for example in answer.result.classifications
            ]
        }


def _predict(given: Any, signatures: Any, spec: Any, ask: Callable[..., Any]) -> dict[str, Any]:
    name = spec.signature_name or "serving_default"
    if name not in signatures.signature_def:
        raise InvalidArgumentError(f'Serving signature name: "{name}" not found in signature def')
    infos = signatures.signature_def[name].inputs
    if not signatures.signature_def[name].outputs:
        raise InvalidArgumentError(
            'over REST a client must know the outputs: add(…, outputs={"label": "string[?]"})'
        )
    rows = "instances" in given
    values = given["instances" if rows else "inputs"]
    if rows and values and isinstance(values[0], dict) and "b64" not in values[0]:
        values = {alias: [row[alias] for row in values] for alias in values[0]}
    elif not isinstance(values, dict) or set(values) == {"b64"}:
        values = dict.fromkeys(infos, values)
    inputs = {
        alias: tensors.to_proto(_unwrap(value), infos[alias].dtype)
        for alias, value in values.items()
        if alias in infos
    }
    outputs = ask("Predict", inputs=inputs).outputs
    arrays = {alias: _to_json(alias, tensors.from_proto(outputs[alias])) for alias in outputs}
    if not arrays:
        raise UnknownError("the model function gave no outputs")
    alone = next(iter(arrays.values())) if len(arrays) == 1 else None
    if not rows:
        return {"outputs": arrays if alone is None else alone}
    if alone is not None:
        return {"predictions": alone}
    length = len(next(iter(arrays.values())))
    return {
        "predictions": [
            {alias: column[row] for alias, column in arrays.items()} for row in range(length)
        ]
    }


def _to_json(alias: str, array: Any) -> Any:
    def convert(value: Any) -> Any:
        if isinstance(value, list):
            return [convert(each) for each in value]
        if not isinstance(value, bytes):
            return value
        if alias.endswith("_bytes"):
            return {"b64": base64.b64encode(value).decode()}
        return value.decode()

    return convert(array.tolist())


def _unwrap(value: Any) -> Any:
    if isinstance(value, list):
        return [_unwrap(each) for each in value]
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            return base64.b64decode(value["b64"])
        return {name: _unwrap(each) for name, each in value.items()}
    return value


def _as_dict(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        descriptor_pool=protos.POOL,
    )
    return found


def _metadata(message: Any) -> dict[str, Any]:
    signatures = protos.SignatureDefMap.FromString(message.metadata["signature_def"].value)
    return {
        "model_spec": _as_dict(message.model_spec),
        "metadata": {"signature_def": _as_dict(signatures)},
    }
