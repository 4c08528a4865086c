"""Warm-up records: run on load, and a failure of theirs is a failure of the load."""

import struct

import pytest

from model_server.crc32c import masked_crc32c
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
