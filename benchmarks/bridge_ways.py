"""The ways of scoring a log that `bridge.py` puts beside each other, each with its own imports.

As a program it is one way in one process: `bridge_ways.py NAME OPTIONS` (JSON) prints `ready`, and
then, for each line on its standard input, makes a round over the log and prints
`{"events": …, "seconds": …, "processor_seconds": …}` of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# As configs/bridge-bgl.yaml reads it.
HEADER = (
    "<Label> <Timestamp> <Date> <Node> <Time> <NodeRepeat> <Type> <Component> <Level> <Content>"
)
FORMAT = {
    "kind": "header",
    "header": HEADER,
    "text": "{Component} {Level} {Content}",
    "time": {"field": "Timestamp", "format": "unix"},
    "key": "Node",
    "attributes": ["Label", "Level", "Component", "Content"],
}

# A round over the log; returns its events. It is given what to call when its events begin.
Round = Callable[[Callable[[], None]], int]


def bridge_config(log: Path, address: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """The config of a bridge over the log, with the model `m`; changes replace its parts."""
    return {
        "state_dir": str(folder / "state"),
        "server": {"address": address, "model": "m"},
        "source": {"address": f"file:{log}"},
        "format": FORMAT,
        "sinks": {
            "predictions": {"address": f"jsonl:{folder}/out.jsonl", "take": "predictions"},
            "dead": {"address": f"jsonl:{folder}/dead.jsonl", "take": "dead_letters"},
        },
        **changes,
    }


def texts_of(log: Path) -> list[str]:
    """The model's input of each line."""
    return [text_of(line) for line in log.read_text("utf-8").splitlines()]


def text_of(line: str) -> str:
    """The model's input, as anyone would write it for this log."""
    words = line.split(None, 9)
    return f"{words[7]} {words[8]} {words[9] if len(words) > 9 else ''}"


def bridge(options: dict[str, Any]) -> Round:
    """stream_bridge, with what a user's config says or leaves out."""
    import stream_bridge.engines  # noqa: F401 - so that no round imports it
    from stream_bridge.config.bridge import BridgeConfig
    from stream_bridge.run import run

    log = Path(options["log"])

    def once(begin: Callable[[], None]) -> int:
        def show(status: dict[str, Any]) -> None:
            if status["state"] == "running" and not begun:
                begun.append(True)
                begin()

        begun: list[bool] = []
        with tempfile.TemporaryDirectory() as folder:
            parts = {"cache": {"enabled": options["cache"]}, **options.get("changes", {})}
            values = bridge_config(log, options["address"], Path(folder), **parts)
            said: list[str] = []
            if run(BridgeConfig.model_validate(values), say=said.append, show=show):
                raise SystemExit(said[-1])
            with (Path(folder) / "out.jsonl").open("rb") as file:
                return sum(1 for _ in file)

    return once


def in_process(options: dict[str, Any]) -> Round:
    """The SavedModel in this process, in batches of 32, all events sorted by length."""
    from server import InProcess

    alone = InProcess(Path(options["model"]), texts_of(Path(options["log"])))

    def once(begin: Callable[[], None]) -> int:
        alone.run()
        return alone.rows

    return once


def run_inference(options: dict[str, Any]) -> Round:
    """Beam's RunInference with a TensorFlow model in its process, batches padded to 128 tokens."""
    import apache_beam as beam
    from apache_beam.ml.inference.base import RunInference
    from padded_model import PaddedHandler

    line = beam.Map(lambda result: f"{result.inference:.4f} {result.example}")
    return _beam_round(Path(options["log"]), RunInference(PaddedHandler()), line)


def call_per_event(options: dict[str, Any]) -> Round:
    """A DoFn that asks the server for each event, through the official stubs."""
    import apache_beam as beam

    class Ask(beam.DoFn):
        def setup(self) -> None:
            import grpc
            import tensorflow as tf
            from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

            channel = grpc.insecure_channel(options["address"])
            self.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            self.request, self.tf = predict_pb2.PredictRequest, tf

        def process(self, text: str) -> Any:
            request = self.request()
            request.model_spec.name = "m"
            request.inputs["text"].CopyFrom(self.tf.make_tensor_proto([text]))
            answer = self.stub.Predict(request, timeout=60)
            score = self.tf.make_ndarray(answer.outputs["score"])[0]
            yield f"{score:.4f} {text}"

    return _beam_round(Path(options["log"]), beam.ParDo(Ask()))


def nothing(options: dict[str, Any]) -> Round:
    """Beam's own pipeline of as many steps as the bridge has, that do nothing: lines to lines."""
    import apache_beam as beam

    return _beam_round(Path(options["log"]), beam.Map(lambda text: text))


def _beam_round(log: Path, *steps: Any) -> Round:
    """A pipeline on the runner that the bridge uses: lines, texts, the steps, lines."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    def once(begin: Callable[[], None]) -> int:
        with tempfile.TemporaryDirectory() as folder:
            pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
            found = pipeline | beam.io.ReadFromText(str(log)) | beam.Map(text_of)
            for number, step in enumerate(steps):
                found = found | f"step {number}" >> step
            _ = found | beam.io.WriteToText(f"{folder}/out", num_shards=1)
            begin()
            pipeline.run().wait_until_finish()
            [out] = Path(folder).glob("out*")
            with out.open("rb") as file:
                return sum(1 for _ in file)

    return once


WAYS: dict[str, Callable[[dict[str, Any]], Round]] = {
    "bridge": bridge,
    "in process": in_process,
    "RunInference": run_inference,
    "a call per event": call_per_event,
    "nothing": nothing,
}


class WayProcess:
    """A way in a process of its own; a context manager."""

    def __init__(self, kind: str, options: Mapping[str, Any]):
        command = [sys.executable, __file__, kind, json.dumps(dict(options))]
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._answer()

    def round(self) -> dict[str, float]:
        """Makes one."""
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return json.loads(self._answer())

    def _answer(self) -> bytes:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"it ended: {' '.join(map(str, self._process.args))}")
        return line

    def __enter__(self) -> WayProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def instant_server() -> Iterator[str]:
    """The address of `instant_server.py` in a process of its own."""
    program = str(Path(__file__).with_name("instant_server.py"))
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, program], stdout=subprocess.PIPE, text=True
    )
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Rounds, as many as there are lines on standard input."""
    once = WAYS[sys.argv[1]](json.loads(sys.argv[2]))
    # What Beam and TensorFlow print must not stand between the results.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=results, flush=True)
    began = [0.0, 0.0]

    def begin() -> None:
        began[:] = time.perf_counter(), time.process_time()

    for _ in sys.stdin:
        begin()
        events = once(begin)
        found = {
            "events": events,
            "seconds": time.perf_counter() - began[0],
            "processor_seconds": time.process_time() - began[1],
        }
        print(json.dumps(found), file=results, flush=True)


if __name__ == "__main__":
    main()
