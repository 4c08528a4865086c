"""A model_server process to measure, and calls of serialized bytes that cost the client little."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from serving_client import protos
from serving_client.services import PREDICT

Call = Callable[[], bytes]


class Server:
    """A model_server process, its two addresses and its log."""

    def __init__(self, base: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "model_server", "--model_name=m"]
        command += [f"--model_base_path={base}", "--choose_free_ports", *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
        self._lines: list[str] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.grpc = self.wait_for(r"Running gRPC ModelServer at (\S+)")
        self.rest = self.wait_for(r"Exporting HTTP/REST API at:(\S+)")

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()

    def wait_for(self, pattern: str) -> str:
        """The first group of the first line of the log that matches, past or future."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next(filter(None, (re.search(pattern, x) for x in self._lines)), None), 300
            )
        if not found:
            raise SystemExit(f"the server did not say {pattern}:\n{''.join(self._lines[-20:])}")
        return found[found.re.groups]

    def processor_seconds(self) -> float:
        """User and system time so far."""
        return processor_seconds(self.process.pid)

    def resident_bytes(self) -> int:
        """Memory of the process that is in RAM."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


@contextmanager
def serving(base: Path, *flags: str) -> Iterator[Server]:
    """A server that is stopped at the end."""
    server = Server(base, *flags)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def processor_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def text_request(texts: Sequence[str]) -> protos.PredictRequest:
    """A Predict of these texts."""
    request = protos.PredictRequest(model_spec={"name": "m"})
    tensor = request.inputs["text"]
    tensor.dtype = 7
    tensor.tensor_shape.dim.add(size=len(texts))
    tensor.string_val.extend([text.encode() for text in texts])
    return request


def predict_calls(address: str, requests: Sequence[protos.PredictRequest]) -> list[Call]:
    """A call for each request, all on one channel."""
    call = grpc.insecure_channel(address).unary_unary(PREDICT.path)
    bodies = [request.SerializeToString() for request in requests]
    return [lambda body=body: call(body, timeout=120) for body in bodies]


def rest_calls(address: str, texts: Sequence[str]) -> list[Call]:
    """A REST predict for each text; every thread keeps a connection."""
    local = threading.local()

    def call(body: str) -> bytes:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(address, timeout=120)
        local.connection.request("POST", "/v1/models/m:predict", body)
        answer = local.connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(data.decode())
        return data

    bodies = [json.dumps({"instances": [text]}) for text in texts]
    return [lambda body=body: call(body) for body in bodies]
