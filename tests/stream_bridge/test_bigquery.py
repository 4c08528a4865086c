"""The sink for BigQuery against the real messages of its two APIs."""

import json

import grpc
import pytest

from stream_bridge.config.bigquery import BigQuerySink
from stream_bridge.errors import MismatchError, SinkError
from stream_bridge.sinks.bigquery import BigQueryWriter, check_table
from tests.stream_bridge.conftest import wait_for
from tests.stream_bridge.fake_bigquery import FakeBigQuery
from tests.stream_bridge.sink_values import dead_letter, prediction, texts, window

NAME = "p.d.t"


@pytest.fixture
def cloud():
    with FakeBigQuery() as fake:
        yield fake


@pytest.fixture
def writer(cloud):
    made = []

    def make(**changes):
        made.append(BigQueryWriter(BigQuerySink(**{**cloud.sink, **changes})))
        return made[-1]

    yield make
    for each in made:
        each.close()


def write(writer, outcomes):
    writer.write(outcomes, texts(outcomes))


def again(writer, outcomes, times):
    """What the bridge does: the same sequence until it is stored."""
    for _ in range(times):
        with pytest.raises(SinkError):
            writer.write(outcomes, [])
    writer.write(outcomes, [])


def test_rows_and_the_table_that_is_made(cloud, writer):
    it = writer(partition_by="event_time")
    write(it, [prediction("1", rules=("r", "s")), prediction("2", 0.1)])
    write(it, [prediction("3")])
    made = cloud.tables[NAME]
    types = {f["name"]: (f["type"], f["mode"]) for f in made["schema"]["fields"]}
    assert types["event_time"] == ("TIMESTAMP", "REQUIRED")
    assert types["attributes"] == ("JSON", "REQUIRED")
    assert types["rules"] == ("STRING", "REPEATED")
    assert types["score"] == ("FLOAT", "NULLABLE")
    assert made["timePartitioning"]["field"] == "event_time"
    first, second, third = cloud.rows[NAME]
    assert (first["event_id"], first["event_time"]) == ("1", 1_700_000_000_123_456)
    assert (first["rules"], second["rules"], first["alert"]) == (["r", "s"], [], True)
    assert json.loads(first["attributes"]) == {"n": 1, "s": None}
    assert "shadow" not in first
    assert third["event_id"] == "3"
    assert list(cloud.streams.values()) == [3]


def test_dead_letters_and_windows(writer, cloud):
    write(writer(take="dead_letters"), [dead_letter("in:1")])
    write(writer(take="windows", address="bigquery://p/d/w"), [window("a", 2)])
    [letter], [summary] = cloud.rows[NAME], cloud.rows["p.d.w"]
    assert (letter["raw"], letter["code"]) == (b"\xff\x00bytes", "UNDECODABLE")
    assert (summary["events"], summary["window_end"]) == (2, 60_000_000)


def test_a_lost_answer_stores_nothing_twice(cloud, writer):
    it = writer()
    write(it, [prediction("1")])
    cloud.lose = 1
    again(it, [prediction("2"), prediction("3")], 1)
    write(it, [prediction("4")])
    assert [row["event_id"] for row in cloud.rows[NAME]] == ["1", "2", "3", "4"]
    assert len(cloud.streams) == 1


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "NOT_FOUND"])
def test_what_fails_is_tried_again(cloud, writer, code):
    it = writer()
    write(it, [prediction("1")])
    cloud.failures = [grpc.StatusCode[code]] * 2
    again(it, [prediction("2")], 2)
    assert [row["event_id"] for row in cloud.rows[NAME]] == ["1", "2"]


def test_an_upsert_keeps_one_row_an_event(cloud, writer):
    it = writer(write="upsert")
    write(it, [prediction("1", 0.1), prediction("2"), prediction("1", 0.9)])
    cloud.lose = 1
    again(it, [prediction("2", 0.3)], 1)
    assert cloud.tables[NAME]["tableConstraints"]["primaryKey"]["columns"] == ["event_id"]
    assert {row["event_id"]: row["score"] for row in cloud.rows[NAME]} == {"1": 0.9, "2": 0.3}
    write(writer(write="upsert"), [prediction("1", 0.5)])  # another run finds the table
    assert len(cloud.rows[NAME]) == 2


def test_many_rows_go_in_requests_that_are_small_enough(cloud, writer, monkeypatch):
    monkeypatch.setattr("stream_bridge.sinks.bigquery._REQUEST_BYTES", 1000)
    write(writer(), [prediction(str(i)) for i in range(50)])
    assert [row["event_id"] for row in cloud.rows[NAME]] == [str(i) for i in range(50)]


def spoil(cloud, **changes):
    fields = cloud.tables[NAME]["schema"]["fields"]
    for name, change in changes.items():
        at = next((i for i, f in enumerate(fields) if f["name"] == name), None)
        if change is None:
            del fields[at]
        elif at is None:
            fields.append({"name": name, **change})
        else:
            fields[at] = {**fields[at], **change}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"label": None}, "column label is missing, STRING is needed"),
        ({"score": {"type": "STRING"}}, "column score is STRING, FLOAT is needed"),
        ({"rules": {"mode": "NULLABLE"}}, "column rules is NULLABLE, REPEATED is needed"),
        ({"key": {"mode": "REQUIRED"}}, "column key may be null and is REQUIRED"),
        ({"team": {"type": "STRING", "mode": "REQUIRED"}}, "team is REQUIRED, and not written"),
    ],
)
def test_a_table_that_does_not_fit_is_named(cloud, writer, changes, told):
    write(writer(), [prediction("1")])
    spoil(cloud, **changes)
    with pytest.raises(MismatchError, match=told):
        write(writer(), [prediction("2")])


def test_a_wider_table_fits(cloud, writer):
    write(writer(), [prediction("1")])
    spoil(cloud, team={"type": "STRING", "mode": "NULLABLE"}, score={"type": "FLOAT64"})
    write(writer(), [prediction("2")])
    assert len(cloud.rows[NAME]) == 2


def test_what_must_be_there_is_named(cloud, writer):
    with pytest.raises(MismatchError, match="no dataset nope in p; make it with bq mk"):
        write(writer(address="bigquery://p/nope/t"), [prediction("1")])
    with pytest.raises(MismatchError, match="partition_by: score is no column of times"):
        write(writer(partition_by="score"), [prediction("1")])
    write(writer(), [prediction("1")])
    with pytest.raises(MismatchError, match=r"needs the primary key \(event_id\)"):
        write(writer(write="upsert"), [prediction("1")])


def test_the_check_makes_nothing(cloud, writer):
    sink = BigQuerySink(**cloud.sink)
    assert check_table("t", sink) == "sink t: bigquery://p/d/t: the table will be made"
    assert not cloud.tables
    write(writer(), [prediction("1")])
    assert check_table("t", sink).endswith("the table fits")
    with pytest.raises(SinkError, match="sink t: bigquery://p/d/t"):
        check_table("t", BigQuerySink(address="bigquery://p/d/t", endpoint="http://127.0.0.1:1"))


def test_a_bridge_holds_the_stream_while_it_is_away(bridge, cloud, tmp_path):
    log = tmp_path / "app.log"
    log.write_text("good\n")
    it = bridge(source={"address": f"tail:{log}"}, sinks={"table": cloud.sink}).start()
    # The row is there before the bridge has heard of it.
    wait_for(lambda: it.status().get("out") == 1)
    cloud.stop()
    with log.open("a") as file:
        file.write("bad\nmore\n")
    status = wait_for(lambda: (found := it.status())["state"] == "waiting" and found)
    assert "bigquery://p/d/t" in status["waiting_for"]
    assert status["out"] == 1
    cloud.start()
    wait_for(lambda: len(cloud.rows[NAME]) == 3)
    assert it.finish() == 0
    assert [row["text"] for row in cloud.rows[NAME]] == ["good", "bad", "more"]
