"""Real models and real server processes for the tests of this folder."""

import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving_client import protos, services

REST = re.compile(r"Exporting HTTP/REST API at:(\S+) \.\.\.")
READY = re.compile(r"Running gRPC ModelServer at (?!UNIX)(\S+) \.\.\.")
COMMAND = shlex.split(os.environ.get("MODEL_SERVER", f"{sys.executable} -m model_server"))
# Whether the command starts our own server, as one word or as a module.
OURS = Path(COMMAND[-1]).name in ("model-server", "model_server")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "ours(why): what model-server alone does, not tried with another MODEL_SERVER"
    )


def pytest_collection_modifyitems(items):
    for item in items:
        mark = item.get_closest_marker("ours")
        if mark and not OURS:
            item.add_marker(pytest.mark.skip(reason=f"model-server alone: {mark.args[0]}"))


def _ports() -> list[str]:
    """Flags of ports that are free: our server chooses them itself, another is told two."""
    if OURS:
        return ["--choose_free_ports"]
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [taken.getsockname()[1] for taken in (one, two)]
    return [f"--port={ports[0]}", f"--rest_api_port={ports[1]}"]


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """Every model of `make_models`, read only: link what you need with `place`.

    MODEL_SERVER_MODELS names a directory in which they are already, for a machine that lacks
    what makes them.
    """
    if "MODEL_SERVER_MODELS" in os.environ:
        return Path(os.environ["MODEL_SERVER_MODELS"])
    root = tmp_path_factory.mktemp("models")
    script = Path(__file__).with_name("make_models.py")
    done = subprocess.run(
        [sys.executable, script, root],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return root


@pytest.fixture
def place(models):
    """Copy a model's version into a base path as one step, as a pusher does."""

    def place(source: str, base: Path, version: int) -> Path:
        base.mkdir(parents=True, exist_ok=True)
        staging = base / f".tmp-{version}"
        shutil.copytree(models / source, staging)
        return staging.rename(base / str(version))

    return place


class Server:
    """A server process; its stderr is collected, its address known when it is ready."""

    def __init__(self, *arguments: object, ready: bool = True, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *_ports(), *map(str, arguments)],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if ready:
            self.address = self.wait_for(READY)[1]
            self.rest = self.wait_for(REST)[1]
            self.channel = grpc.insecure_channel(self.address)

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.lines.append("")
            self._ended = True
            self._changed.notify_all()

    _ended = False

    def wait_for(self, pattern: str | re.Pattern, timeout: float = 60) -> re.Match:
        """The first match in the log, past or future."""
        matches: list[re.Match] = []

        def seen() -> bool:
            matches.extend(filter(None, (re.search(pattern, line) for line in self.lines)))
            return bool(matches) or self._ended

        with self._changed:
            self._changed.wait_for(seen, timeout)
        assert matches, f"{pattern} not in:\n" + "\n".join(self.lines)
        return matches[0]

    def call(self, method: services.Method, request, timeout: float = 20):
        call = self.channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return call(request, timeout=timeout)

    def http(self, verb: str, path: str, body=None, headers=None) -> tuple[int, str, dict]:
        """Status, text and headers of one exchange; a body that is not text is sent as JSON."""
        connection = http.client.HTTPConnection(self.rest, timeout=20)
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
        connection.request(verb, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "surrogateescape")
        connection.close()
        return answer.status, text, dict(answer.getheaders())

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it at once; done when it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self, expect: int = 0) -> str:
        """Stop it; its standard output."""
        self.process.terminate()
        out = self.process.stdout.read()
        assert self.process.wait(60) == expect, "\n".join(self.lines)
        return out


@pytest.fixture(scope="module")
def start():
    """Start servers that are stopped at the end of the module."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: object, **kwargs) -> Server:
            server = Server(*arguments, **kwargs)
            stack.callback(server.kill)
            return server

        yield start


DTYPES = {"f": 1, "d": 2, "i": 3, "q": 9, "l": 9, "?": 10, "O": 7, "S": 7}


def tensor(values, dtype=None) -> protos.TensorProto:
    """A TensorProto of strings or numbers, float unless told otherwise."""
    array = np.asarray(values, dtype=dtype or None)
    if array.dtype.kind in "US":
        flat = [v if isinstance(v, bytes) else v.encode() for v in array.ravel().tolist()]
        proto = protos.TensorProto(dtype=7, string_val=flat)
    else:
        if dtype is None:
            array = array.astype(np.float32)
        proto = protos.TensorProto(dtype=DTYPES[array.dtype.char], tensor_content=array.tobytes())
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def spec(name: str, version=None, label=None, signature=None):
    message = protos.ModelSpec(name=name)
    if version is not None:
        message.version.value = version
    if label is not None:
        message.version_label = label
    if signature is not None:
        message.signature_name = signature
    return message


def predict_request(model, inputs, *, only=(), **kwargs):
    request = protos.PredictRequest(output_filter=only)
    request.model_spec.CopyFrom(spec(model, **kwargs))
    for alias, value in inputs.items():
        proto = value if isinstance(value, protos.TensorProto) else tensor(value)
        request.inputs[alias].CopyFrom(proto)
    return request


@pytest.fixture(scope="session")
def api():
    """Builders of requests, for tests in this folder."""
    from types import SimpleNamespace

    return SimpleNamespace(
        tensor=tensor, spec=spec, predict=predict_request, protos=protos, services=services
    )


@pytest.fixture(scope="session")
def refused():
    """Assert that a call fails with this code and a message that begins, or matches, so."""

    def refused(code: str, message: str):
        return _Refused(code, message)

    return refused


class _Refused:
    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        assert isinstance(error, grpc.RpcError), f"no error, expected {self.code}: {self.message}"
        assert error.code().name == self.code, error.details()
        assert error.details().startswith(self.message), error.details()
        self.details = error.details()
        return True
