"""The PostgreSQL sink against a real server, started here in a temporary directory."""

import tempfile
from pathlib import Path

import psycopg
import pytest

from examples.services.postgresql import PostgreSQL
from stream_bridge.config.sinks import PostgresSink
from stream_bridge.errors import MismatchError, SinkError
from stream_bridge.sinks.postgresql import PostgresWriter
from tests.stream_bridge.conftest import wait_for
from tests.stream_bridge.sink_values import dead_letter, prediction, texts, window

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def database():
    # Its user may not enter pytest's own directories.
    with tempfile.TemporaryDirectory(prefix="pg") as folder, PostgreSQL(Path(folder)) as server:
        yield server


def rows(database, query):
    with psycopg.connect(database.address) as connection:
        return connection.execute(query).fetchall()


def sink(database, table, **keys):
    return PostgresWriter(PostgresSink(address=database.address, table=table, **keys))


def test_an_event_that_comes_again_replaces_its_row(database):
    writer = sink(database, "predictions")
    first = [prediction(f"e{i}", 0.1) for i in range(500)]
    writer.write(first, texts(first))
    again = [prediction("e7", 0.9), prediction("e8", 0.8), prediction("e8", 0.7)]
    writer.write(again, texts(again))
    nul = [prediction("nul", text="a\0b", rules=("r",))]
    writer.write(nul, texts(nul))
    writer.close()
    assert rows(database, "SELECT count(*), count(DISTINCT event_id) FROM predictions") == [
        (501, 501)
    ]
    found = rows(
        database,
        "SELECT event_id, score, alert, attributes->>'n', event_time AT TIME ZONE 'UTC' "
        "FROM predictions WHERE event_id IN ('e7', 'e8', 'e9') ORDER BY 1",
    )
    assert [row[:4] for row in found] == [
        ("e7", 0.9, True, "1"), ("e8", 0.7, True, "1"), ("e9", 0.1, False, "1"),
    ]  # fmt: skip
    assert found[0][4].isoformat() == "2023-11-14T22:13:20.123456"
    assert rows(database, "SELECT text, rules FROM predictions WHERE event_id = 'nul'") == [
        ("a\ufffdb", ["r"])
    ]


def test_dead_letters_and_windows_have_tables_of_their_own(database):
    letters = sink(database, "dead", take="dead_letters")
    letters.write([dead_letter("in:1"), dead_letter("in:1")], [b"", b""])
    letters.close()
    assert rows(database, "SELECT position, raw FROM dead") == [("in:1", b"\xff\x00bytes")]
    windows = sink(database, "windows", take="windows")
    windows.write([window("a", 3)], [b""])
    windows.write([window("a", 4)], [b""])
    windows.close()
    assert rows(database, "SELECT key, events, quantiles->>'p50' FROM windows") == [
        ("a", 4, "0.25")
    ]


def test_a_table_that_does_not_fit_is_named(database):
    with psycopg.connect(database.address) as connection:
        connection.execute("CREATE TABLE other (event_id text PRIMARY KEY, score text)")
    writer = sink(database, "other")
    with pytest.raises(MismatchError, match="column event_time is missing, timestamp with time"):
        writer.write([prediction("a")], [b""])


def test_a_database_that_is_away_holds_the_stream(bridge, tmp_path, database):
    log = tmp_path / "app.log"
    log.write_text("one\n")
    it = bridge(
        source={"address": f"tail:{log}"},
        sinks={"table": {"address": database.address, "table": "live"}},
    ).start()
    wait_for(lambda: it.status().get("out") == 1)
    database.kill()
    with log.open("a") as file:
        file.write("two\npoison\nthree\n")
    wait_for(lambda: "postgresql table live" in (it.status()["waiting_for"] or ""))
    database.start()
    wait_for(lambda: it.status()["out"] == 3)
    assert it.finish() == 0
    assert sorted(rows(database, "SELECT text FROM live")) == [("one",), ("three",), ("two",)]


def test_a_wrong_address_is_a_sink_error():
    writer = PostgresWriter(PostgresSink(address="postgresql://nobody@127.0.0.1:1/x", table="t"))
    with pytest.raises(SinkError, match="refused"):
        writer.write([prediction("a")], [b""])
