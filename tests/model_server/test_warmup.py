"""Warm-up records: run on load, and a failure of theirs is a failure of the load."""

import struct

import numpy as np
import pytest

from model_server.crc32c import masked_crc32c
from model_server.errors import DataLossError
from model_server.metrics import Metrics
from model_server.runtime import dtypes
from model_server.runtime.tensor import from_numpy
from model_server.servable import Servable, read_signatures
from model_server.warmup import WarmUp, read_records
from serving_client import protos


def write(path, records):
    (path / "assets.extra").mkdir()
    with (path / "assets.extra" / "tf_serving_warmup_requests").open("wb") as file:
        for record in records:
            head = struct.pack("<Q", len(record))
            file.write(head + struct.pack("<I", masked_crc32c(head)))
            file.write(record + struct.pack("<I", masked_crc32c(record)))


def predict_log(api, **kwargs):
    log = protos.PredictionLog()
    log.predict_log.request.CopyFrom(api.predict("whoever", {"x": [[1.0]]}, **kwargs))
    return log.SerializeToString()


def serve(start, place, tmp_path, records, *arguments):
    staging = place("half/1", tmp_path / "staging", 1)
    write(staging, records)
    (tmp_path / "half").mkdir()
    staging.rename(tmp_path / "half" / "1")
    return start(
        "--model_name=half",
        f"--model_base_path={tmp_path}/half",
        "--max_num_load_retries=0",
        *arguments,
        ready=False,
    )


def test_checksum_is_the_standard_one():
    crc = (masked_crc32c(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF
    assert (crc << 15 | crc >> 17) & 0xFFFFFFFF == 0xE3069283


def test_records_are_run_whatever_model_they_name(start, place, api, tmp_path):
    records = [predict_log(api), protos.PredictionLog().SerializeToString()]
    server = serve(start, place, tmp_path, records)
    server.wait_for("Running gRPC ModelServer")


class Ran:
    """A graph that notes what it is asked for and answers what makes a classifier and regressor."""

    def __init__(self):
        self.fetches = []

    def run(self, feeds, fetches, timeout_ms=None):
        self.fetches.append(tuple(fetches))
        return [from_numpy(np.ones((1, 1), np.float32), dtypes.FLOAT) for _ in fetches]


def example_request(kind, **fields):
    log = getattr(protos.PredictionLog(), f"{kind}_log")
    request = type(log).DESCRIPTOR.fields_by_name["request"].message_type.full_name
    made = getattr(protos, request.rpartition(".")[2])(**fields)
    made.input.example_list.examples.add()
    return protos.PredictionLog(**{f"{kind}_log": {"request": made}}).SerializeToString()


@pytest.mark.parametrize(("iterations", "times"), [(0, 1), (-1, 1), (3, 3)])
def test_every_kind_of_request_is_run(tmp_path, iterations, times):
    method = "tensorflow/serving/regress"
    write(
        tmp_path,
        [
            protos.PredictionLog(
                predict_log={"request": {"inputs": {"inputs": {"dtype": 7}}}}
            ).SerializeToString(),
            example_request("classify", model_spec={"signature_name": "classes"}),
            example_request("regress", model_spec={"name": "another", "version": {"value": 9}}),
            example_request(
                "multi_inference", tasks=[{"model_spec": {"name": "m"}, "method_name": method}]
            ),
        ],
    )
    definitions = protos.SignatureDefMap()
    for key, alias in (("serving_default", "outputs"), ("classes", "scores")):
        definition = definitions.signature_def[key]
        definition.inputs["inputs"].name = "in:0"
        definition.outputs[alias].name = f"{alias}:0"
    metrics, graph = Metrics(), Ran()
    servable = Servable(
        "m", 1, read_signatures(definitions), definitions, graph, lambda: None, metrics.runtime
    )
    WarmUp(metrics, iterations=iterations).run(servable, tmp_path, graph)
    assert graph.fetches == [
        (f"{alias}:0",)
        for alias in ("outputs", "scores", "outputs", "outputs")
        for _ in range(times)
    ]


def test_what_is_not_a_tfrecord_file(tmp_path):
    folder = tmp_path / "assets.extra"
    folder.mkdir()
    for content in (b"text, and not a record", b"\0" * 12, b"\x01"):
        (folder / "tf_serving_warmup_requests").write_bytes(content)
        with pytest.raises(DataLossError, match="please verify that the warm-up file is an unc"):
            list(read_records(folder / "tf_serving_warmup_requests"))


@pytest.mark.parametrize("arguments", [(), ("--enable_model_warmup=false",)])
def test_a_failing_record_fails_the_load(start, place, api, tmp_path, arguments):
    server = serve(start, place, tmp_path, [predict_log(api, signature="no")], *arguments)
    if arguments:
        server.wait_for("Running gRPC ModelServer")
    else:
        assert server.process.wait(30) == 255
        server.wait_for('FAILED_PRECONDITION: Serving signature key "no" not found.')


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([b"\xff\xff"], "INVALID_ARGUMENT: Failed to parse warmup record: "),
        ([b""] * 1001, r"INVALID_ARGUMENT: Number of warmup records exceeds the maximum \(1000\)"),
        (
            [protos.PredictionLog(session_run_log={}).SerializeToString()],
            "UNIMPLEMENTED: Unsupported log_type for warmup: 5",
        ),
    ],
)
def test_bad_records(start, place, tmp_path, records, says):
    server = serve(start, place, tmp_path, records)
    assert server.process.wait(30) == 255
    server.wait_for(says)
