"""Sinks that need nothing but this machine: rolled files, Parquet, webhooks."""

import hashlib
import hmac
import json
import resource

import pyarrow.parquet as pq
import pytest

from stream_bridge.config.sinks import JsonLinesSink, ParquetSink, WebhookSink
from stream_bridge.errors import SinkError
from stream_bridge.sinks.json_lines import JsonLinesWriter
from stream_bridge.sinks.parquet import ParquetSinkWriter
from stream_bridge.sinks.webhook import WebhookWriter
from tests.stream_bridge.sink_values import Receiver, dead_letter, prediction, texts, window


@pytest.fixture
def receiver():
    it = Receiver()
    yield it
    it.close()


def test_json_lines_are_rolled_by_size_and_by_age(tmp_path):
    path = tmp_path / "out.jsonl"
    writer = JsonLinesWriter(JsonLinesSink(address=f"jsonl:{path}", roll_bytes=2000))
    for start in range(0, 30, 3):
        outcomes = [prediction(f"e{i}") for i in range(start, start + 3)]
        writer.write(outcomes, texts(outcomes))
    writer.close()
    rolled = sorted(tmp_path.glob("out-*.jsonl"))
    assert len(rolled) >= 3
    ids = [
        json.loads(line)["event_id"]
        for file in [*rolled, path]
        for line in file.read_text().splitlines()
    ]
    assert ids == [f"e{i}" for i in range(30)]
    old = JsonLinesWriter(JsonLinesSink(address=f"jsonl:{path}", roll_seconds=0.000001))
    old.write([], [])
    old.close()
    assert path.read_bytes() == b""
    assert len(list(tmp_path.glob("out-*.jsonl"))) == len(rolled) + 1


def parts(folder):
    return [
        table for file in sorted(folder.glob("part-*.parquet")) for table in [pq.read_table(file)]
    ]


def test_parquet_parts_hold_what_was_written(tmp_path):
    folder = tmp_path / "p"
    writer = ParquetSinkWriter(ParquetSink(address=f"parquet:{folder}", roll_bytes=8000))
    for start in range(0, 60, 6):
        outcomes = [
            prediction(f"e{i}", i / 60, review=("uncertain",)) for i in range(start, start + 6)
        ]
        writer.write(outcomes, texts(outcomes))
    assert parts(folder)
    writer.close()
    tables = parts(folder)
    assert len(tables) >= 2
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["event_id"] for row in rows] == [f"e{i}" for i in range(60)]
    assert rows[30]["score"] == 0.5
    assert rows[30]["review"] == ["uncertain"]
    assert rows[0]["event_time"].isoformat() == "2023-11-14T22:13:20.123456+00:00"
    assert json.loads(rows[0]["attributes"]) == {"n": 1, "s": None}
    assert not list(folder.glob(".part-*"))


@pytest.mark.parametrize(
    ("take", "outcome"), [("dead_letters", dead_letter("in:1")), ("windows", window("k", 3))]
)
def test_parquet_of_other_outcomes(tmp_path, take, outcome):
    writer = ParquetSinkWriter(ParquetSink(address=f"parquet:{tmp_path}", take=take))
    writer.write([outcome], texts([outcome]))
    writer.close()
    (row,) = parts(tmp_path)[0].to_pylist()
    expected = {"dead_letters": ("raw", b"\xff\x00bytes"), "windows": ("events", 3)}[take]
    assert row[expected[0]] == expected[1]


def test_parquet_after_a_crash_keeps_what_was_committed(tmp_path):
    config = ParquetSink(address=f"parquet:{tmp_path}")
    writer = ParquetSinkWriter(config)
    outcomes = [prediction(f"e{i}") for i in range(5)]
    writer.write(outcomes, texts(outcomes))
    (journal,) = tmp_path.glob(".part-*.arrows")
    saved = journal.read_bytes()
    writer.close()
    for part in tmp_path.glob("part-*.parquet"):
        part.unlink()
    journal.write_bytes(saved + saved[: len(saved) // 2])  # it died in the middle of a write
    again = ParquetSinkWriter(config)
    again.close()
    (table,) = parts(tmp_path)
    assert table.num_rows == 5


def test_a_full_disk_leaves_no_half_a_block(tmp_path):
    writer = ParquetSinkWriter(ParquetSink(address=f"parquet:{tmp_path}"))
    first, second = [prediction("a")], [prediction(f"b{i}") for i in range(200)]
    writer.write(first, texts(first))
    size = next(tmp_path.glob(".part-*.arrows")).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, before[1]))
    try:
        with pytest.raises(SinkError, match="File too large"):
            writer.write(second, texts(second))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.write(second, texts(second))
    writer.close()
    assert sum(table.num_rows for table in parts(tmp_path)) == 201


def test_a_part_that_cannot_be_finished_is_finished_later_in_the_same_run(tmp_path):
    config = ParquetSink(address=f"parquet:{tmp_path}", roll_bytes=1)
    writer = ParquetSinkWriter(config)
    outcomes = [prediction(f"e{i}") for i in range(50)]
    writer.write(outcomes, texts(outcomes))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        for _ in range(2):
            with pytest.raises(SinkError, match="File too large"):
                writer.write([], [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.write([], [])
    assert [table.num_rows for table in parts(tmp_path)] == [50]
    assert not list(tmp_path.glob(".part-*"))
    writer.close()


def test_a_webhook_is_signed_and_goes_on_behind_what_was_accepted(tmp_path, receiver):
    (tmp_path / "secret").write_text("s3cret\n")
    config = WebhookSink(
        address=receiver.address, secret_file=tmp_path / "secret", headers={"X-Team": "ops"}
    )
    writer = WebhookWriter(config)
    outcomes = [prediction(name) for name in ("a", "b", "c")]
    receiver.answers = [204, 503]
    with pytest.raises(SinkError, match="503 Service Unavailable"):
        writer.write(outcomes, texts(outcomes))
    writer.write(outcomes, texts(outcomes))
    writer.close()
    assert [json.loads(body)["event_id"] for _, body in receiver.requests] == ["a", "b", "c"]
    headers, body = receiver.requests[2]
    assert headers["Idempotency-Key"] == "c"
    assert headers["X-Team"] == "ops"
    signed = hmac.new(
        b"s3cret", headers["X-Livebert-Timestamp"].encode() + b"." + body, hashlib.sha256
    )
    assert headers["X-Livebert-Signature"] == f"sha256={signed.hexdigest()}"


def test_what_a_webhook_refuses_is_held_or_skipped(receiver):
    outcomes = [prediction("a"), prediction("b")]
    receiver.answers = [422, 204, 422, 204]
    skipping = WebhookWriter(WebhookSink(address=receiver.address, refused="skip"))
    skipping.write(outcomes, texts(outcomes))
    assert [json.loads(body)["event_id"] for _, body in receiver.requests] == ["b"]
    holding = WebhookWriter(WebhookSink(address=receiver.address))
    with pytest.raises(SinkError, match="422"):
        holding.write(outcomes, texts(outcomes))
    away = WebhookWriter(WebhookSink(address="http://127.0.0.1:1/x"))
    with pytest.raises(SinkError, match="Connection refused"):
        away.write(outcomes, texts(outcomes))


def test_several_sinks_at_once_and_a_webhook_that_is_away_holds_the_stream(
    bridge, tmp_path, receiver
):
    (tmp_path / "in").write_text("good\nbad\nbad too\npoison\n")
    receiver.answers = [500, 500, 500]
    it = bridge(
        source={"address": f"file:{tmp_path}/in"},
        sinks={
            "hook": {"address": receiver.address, "take": "alerts"},
            "lake": {"address": f"parquet:{tmp_path}/lake"},
            "dead lake": {"address": f"parquet:{tmp_path}/dead-lake", "take": "dead_letters"},
        },
    )
    assert it.run() == 0
    assert [json.loads(body)["text"] for _, body in receiver.requests] == ["bad", "bad too"]
    assert [row["text"] for t in parts(tmp_path / "lake") for row in t.to_pylist()] == [
        "good", "bad", "bad too",
    ]  # fmt: skip
    assert [row["raw"] for t in parts(tmp_path / "dead-lake") for row in t.to_pylist()] == [
        b"poison"
    ]
    assert len(it.predictions) == 3
