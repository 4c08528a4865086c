"""Measures model_server: python benchmarks/server.py MODEL_VERSION_DIR

MODEL_VERSION_DIR is a SavedModel whose `serving_default` takes `text` (string[n]), such as
models/events/1. Prints, in one run on this machine: seconds from start to the first answer; own
processor time of a call on a trivial model beside a bare grpcio echo server; events/s with 32
requests in flight, with and without batching, beside the same model run in this process in
length-sorted batches; and REST beside gRPC.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

from serving_client import protos
from serving_client.services import PREDICT

ECHO = """
import grpc
from concurrent import futures
server = grpc.server(futures.ThreadPoolExecutor(8))
handler = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("e.Echo", {"E": handler}),))
print("at", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", flush=True)
server.start()
server.wait_for_termination()
"""
TRIVIAL = """
import sys, tensorflow as tf
class Double(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def double(self, x):
        return {"y": x * 2.0}
module = Double()
tf.saved_model.save(module, sys.argv[1], signatures=module.double)
"""
WORDS = ("instruction", "cache", "parity", "error", "corrected on", "node", "interrupt", "link")


class Server:
    """A model_server process and its two addresses."""

    def __init__(self, base: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "model_server", "--model_name=m"]
        command += [f"--model_base_path={base}", "--choose_free_ports", *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
        self.grpc = self._address(r"Running gRPC ModelServer at (\S+)")
        self.rest = self._address(r"Exporting HTTP/REST API at:(\S+)")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def _address(self, pattern: str) -> str:
        for line in self.process.stderr:
            if found := re.search(pattern, line):
                return found[1]
        raise SystemExit("the server did not start")


@contextmanager
def serving(base: Path, *flags: str) -> Iterator[Server]:
    """A server that is stopped at the end."""
    server = Server(base, *flags)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def predict_call(address: str, request: protos.PredictRequest) -> Callable[[], bytes]:
    """A call of serialized bytes, so that the client's own work stays small."""
    call = grpc.insecure_channel(address).unary_unary(PREDICT.path)
    data = request.SerializeToString()
    return lambda: call(data, timeout=60)


def text_request(texts: list[str]) -> protos.PredictRequest:
    """A Predict of these texts."""
    request = protos.PredictRequest(model_spec={"name": "m"})
    tensor = request.inputs["text"]
    tensor.dtype = 7
    tensor.tensor_shape.dim.add(size=len(texts))
    tensor.string_val.extend([text.encode() for text in texts])
    return request


def processor_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(pid: int, call: Callable[[], bytes], calls: int = 3000) -> float:
    """Processor microseconds of the server for each call, one in flight."""
    for _ in range(300):
        call()
    before = processor_seconds(pid)
    for _ in range(calls):
        call()
    return (processor_seconds(pid) - before) / calls * 1e6


def throughput(calls: list[Callable[[], object]], in_flight: int) -> float:
    """Calls a second with so many in flight."""
    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(lambda call: call(), calls[:in_flight]))
        began = time.perf_counter()
        list(pool.map(lambda call: call(), calls))
        return len(calls) / (time.perf_counter() - began)


def rest_call(address: str, text: str) -> Callable[[], bytes]:
    """A REST predict on a connection of its own."""
    body = json.dumps({"instances": [text]})

    def call() -> bytes:
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("POST", "/v1/models/m:predict", body)
        answer = connection.getresponse().read()
        connection.close()
        return answer

    return call


def in_process(model: Path, texts: list[str]) -> float:
    """Events a second of the same model run here in length-sorted batches of 32."""
    from model_server.runtime import library, options, session, tensor
    from model_server.servable import parse_signatures

    library.register_op_libraries()
    loaded = session.load(model, options.SessionOptions())
    signature = parse_signatures(loaded.signatures)[1]["serving_default"]
    rows = sorted((text.encode() for text in texts), key=len)
    batches = [tensor.from_strings(rows[at : at + 32]) for at in range(0, len(rows), 32)]
    outputs = list(signature.outputs.values())
    loaded.run([(signature.inputs["text"], batches[0])], outputs)
    began = time.perf_counter()
    for batch in batches:
        loaded.run([(signature.inputs["text"], batch)], outputs)
    return len(texts) / (time.perf_counter() - began)


def main(model: Path, events: int = 256) -> None:
    """Print the table."""
    texts = [" ".join(WORDS[: 3 + n % 8]) + f" {n}" for n in range(events)]
    with tempfile.TemporaryDirectory() as folder:
        trivial, base = Path(folder) / "trivial", Path(folder) / "m"
        subprocess.run(  # noqa: S603
            [sys.executable, "-c", TRIVIAL, str(trivial / "1")], check=True, capture_output=True
        )
        base.mkdir()
        (base / "1").symlink_to(model.absolute())

        request = protos.PredictRequest(model_spec={"name": "m"})
        request.inputs["x"].dtype = 1
        request.inputs["x"].tensor_shape.dim.add(size=1)
        request.inputs["x"].float_val.append(1.0)
        began = time.perf_counter()
        with serving(trivial) as server:
            call = predict_call(server.grpc, request)
            call()
            print(f"first answer after start      {time.perf_counter() - began:8.2f} s")
            ours = cost(server.process.pid, call)
        echo = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True
        )
        address = echo.stdout.readline().split()[1]
        channel = grpc.insecure_channel(address)
        data, bounce = request.SerializeToString(), channel.unary_unary("/e.Echo/E")
        bare = cost(echo.pid, lambda: bounce(data))
        echo.kill()
        print(f"processor time of a call      {ours:8.0f} us, bare echo {bare:.0f} us")

        alone = in_process(model, texts)
        print(f"in process, sorted batches    {alone:8.1f} events/s")
        for label, flags in (("plain", ()), ("batching", ("--enable_batching",))):
            with serving(base, *flags) as server:
                calls = [predict_call(server.grpc, text_request([text])) for text in texts]
                by_grpc = throughput(calls, 32)
                by_rest = throughput([rest_call(server.rest, text) for text in texts], 32)
            print(f"gRPC, 32 in flight, {label:9} {by_grpc:8.1f} events/s ({by_grpc / alone:.2f})")
            print(f"REST, 32 in flight, {label:9} {by_rest:8.1f} events/s")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
