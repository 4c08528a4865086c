"""Measures model_server: `python benchmarks/server.py MODEL_VERSION_DIR [--lines FILE]`.

MODEL_VERSION_DIR is a SavedModel whose `serving_default` takes `text` (string[n]), such as
models/bgl/1; FILE holds a text a line. Prints, in one run on this machine: seconds from start to
the first answer; own processor time of a call on a trivial model beside a bare grpcio echo server;
events/s with 32 requests in flight beside the same SavedModel run in this process in length-sorted
batches, all in turn, round after round, the median of each; small and large requests with and
without batching; latency by offered load as a picture; and what a swap of versions does to latency
and memory.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from server_load import latency_by_load
from server_process import (
    Call,
    predict_calls,
    processor_seconds,
    rest_calls,
    serving,
    text_request,
)
from server_swaps import swaps

from serving_client import protos

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


def cost(pid: int, call: Call, calls: int = 3000) -> float:
    """Processor microseconds of the server for each call, one in flight."""
    for _ in range(300):
        call()
    before = processor_seconds(pid)
    for _ in range(calls):
        call()
    return (processor_seconds(pid) - before) / calls * 1e6


def throughput(calls: Sequence[Call], in_flight: int = 32) -> float:
    """Calls a second with so many in flight."""
    with ThreadPoolExecutor(in_flight) as pool:
        began = time.perf_counter()
        list(pool.map(lambda call: call(), calls))
        return len(calls) / (time.perf_counter() - began)


class InProcess:
    """The same model in this process, run in length-sorted batches of 32."""

    def __init__(self, model: Path, texts: Sequence[str]) -> None:
        from model_server.runtime import library, options, session, tensor
        from model_server.servable import read_definitions, read_signatures

        library.register_op_libraries()
        self._session = session.load(model, options.SessionOptions())
        signature = read_signatures(read_definitions(self._session.signatures))["serving_default"]
        self._input = signature.inputs["text"]
        self._outputs = list(signature.outputs.values())
        rows = sorted((text.encode() for text in texts), key=len)
        self._batches = [tensor.from_strings(rows[at : at + 32]) for at in range(0, len(rows), 32)]
        self.rows = len(rows)

    def run(self) -> float:
        """Events a second."""
        began = time.perf_counter()
        for batch in self._batches:
            self._session.run([(self._input, batch)], self._outputs)
        return self.rows / (time.perf_counter() - began)


def beside_in_process(model: Path, base: Path, texts: Sequence[str], rounds: int) -> None:
    """Events a second by gRPC and REST, with and without batching, and in this process."""
    alone = InProcess(model, texts)
    requests = [text_request([text]) for text in texts]
    large = [text_request(texts[at : at + 32]) for at in range(0, len(texts), 32)]
    with serving(base) as plain, serving(base, "--enable_batching") as batching:
        ways = {"in process, sorted batches": alone.run}
        for name, server in (("plain", plain), ("batching", batching)):
            by_grpc = predict_calls(server.grpc, requests)
            by_rest = rest_calls(server.rest, texts)
            many = predict_calls(server.grpc, large)
            ways[f"gRPC, 32 in flight, {name}"] = lambda calls=by_grpc: throughput(calls)
            ways[f"REST, 32 in flight, {name}"] = lambda calls=by_rest: throughput(calls)
            ways[f"gRPC, 4 x 32 rows, {name}"] = lambda calls=many: 32 * throughput(calls, 4)
        for way in ways.values():  # warm
            way()
        seen: dict[str, list[float]] = {name: [] for name in ways}
        ours: list[float] = []
        for _ in range(rounds):
            for name, way in ways.items():
                before = batching.processor_seconds(), _own_seconds()
                seen[name].append(way())
                if name == "gRPC, 32 in flight, batching":
                    ours.append(batching.processor_seconds() - before[0])
                elif name.startswith("in process"):
                    alone_seconds = _own_seconds() - before[1]
                    ours.append(-alone_seconds)
    base_line = seen["in process, sorted batches"]
    for name, values in seen.items():
        ratios = [value / base for value, base in zip(values, base_line, strict=True)]
        print(
            f"{name:32} {statistics.median(values):8.1f} events/s "
            f"({statistics.median(ratios):.2f} of in process)",
            flush=True,
        )
    per_event = [sum(v for v in ours if v > 0), -sum(v for v in ours if v < 0)]
    per_event = [1e3 * seconds / len(texts) / rounds for seconds in per_event]
    print(
        f"processor time of an event       {per_event[0]:8.2f} ms in the batching server, "
        f"{per_event[1]:.2f} ms in process ({per_event[1] / per_event[0]:.2f})"
    )


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def start_and_call(trivial: Path) -> None:
    """Seconds to the first answer, and what a call costs beside a bare echo."""
    request = protos.PredictRequest(model_spec={"name": "m"})
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(1.0)
    began = time.perf_counter()
    with serving(trivial) as server:
        call = predict_calls(server.grpc, [request])[0]
        call()
        print(f"first answer after start         {time.perf_counter() - began:8.2f} s", flush=True)
        ours = cost(server.process.pid, call)
    echo = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True
    )
    address = echo.stdout.readline().split()[1]
    data = request.SerializeToString()
    bounce = grpc.insecure_channel(address).unary_unary("/e.Echo/E")
    bare = cost(echo.pid, lambda: bounce(data))
    echo.kill()
    print(f"processor time of a call         {ours:8.0f} us, bare echo {bare:.0f} us", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--lines", type=Path, help="texts, one a line (default: made up)")
    parser.add_argument("--events", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--swaps", type=int, default=50)
    picture = Path(__file__).with_name("server_load.svg")
    parser.add_argument("--picture", type=Path, default=picture, help="SVG of latency by load")
    parser.add_argument("--only", help="one part", choices=("start", "throughput", "load", "swaps"))
    wanted = parser.parse_args()
    texts = [" ".join(WORDS[: 3 + n % 8]) + f" {n}" for n in range(wanted.events)]
    if wanted.lines:
        lines = wanted.lines.read_text("utf-8", errors="replace").splitlines()
        texts = [lines[n * len(lines) // wanted.events] for n in range(wanted.events)]
    with tempfile.TemporaryDirectory() as folder:
        trivial, base = Path(folder) / "trivial", Path(folder) / "m"
        base.mkdir()
        (base / "1").symlink_to(wanted.model.absolute())
        if wanted.only in (None, "start"):
            subprocess.run(  # noqa: S603
                [sys.executable, "-c", TRIVIAL, str(trivial / "1")], check=True, capture_output=True
            )
            start_and_call(trivial)
        if wanted.only in (None, "throughput"):
            beside_in_process(wanted.model, base, texts, wanted.rounds)
        if wanted.only in (None, "load"):
            latency_by_load(base, texts, wanted.picture)
        if wanted.only in (None, "swaps"):
            swaps(wanted.model, Path(folder) / "swaps", texts[0], wanted.swaps)


if __name__ == "__main__":
    main()
