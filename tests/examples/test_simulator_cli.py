"""The simulator's command line: formats, rates, targets, late labels, a clean end."""

import re
import signal
import socket
import time

import pytest

from examples.event_simulator.records import LABELLED_TEXT_HEADER
from examples.event_simulator.replay import label_of

SIMULATOR = "examples.event_simulator"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
EVENT_KEYS = ["event_id", "event_time", "service", "host", "severity", "message"]
BGL_HEADER = (
    "<Label> <Timestamp> <Date> <Node> <Time> <NodeRepeat> <Type> <Component> <Level> <Content>"
)
BGL_LINES = """\
- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL INFO parity error ok
KERNDTLB 1117838573 2005.06.03 R02-M1 2005-06-03-15.42.53.276129 R02-M1 RAS KERNEL FATAL data  TLB
APPREAD 1117838976 2005.06.03 R02-M1 2005-06-03-15.49.36.156884 R02-M1 RAS APP FATAL ciod: failed
"""


def test_history_as_json_lines_is_the_same_every_time(run, rows, tmp_path):
    done = run(SIMULATOR, "history", "--events", 400, "--out", tmp_path / "a" / "h.jsonl")
    assert done.returncode == 0, done.stderr
    again = run(SIMULATOR, "history", "--events", 400)
    assert again.stdout == (tmp_path / "a" / "h.jsonl").read_text()
    events = rows(again.stdout)
    assert len(events) == 400
    for event in events:
        assert list(event) == [*EVENT_KEYS, "label", "incident"]
        assert ISO.fullmatch(event["event_time"])
        assert (event["label"] == "normal") == (event["incident"] is None)
    assert {e["label"] for e in events} == {"normal", "anomaly"}


def test_history_as_text_has_the_same_events_with_a_label_column(run, rows):
    text = run(SIMULATOR, "history", "--events", 300, "--format", "text").stdout
    events = rows(run(SIMULATOR, "history", "--events", 300).stdout)
    truth = label_of(LABELLED_TEXT_HEADER, "Label", "-")
    assert [truth(line) for line in text.splitlines()] == [e["incident"] for e in events]
    assert text.splitlines()[0].endswith(events[0]["message"])


def test_stream_keeps_its_rate_and_tells_labels_late(run, rows, tmp_path):
    labels = tmp_path / "labels.jsonl"
    began = time.time()
    done = run(
        *(SIMULATOR, "stream", "--rate", 100, "--seconds", 3, "--seed", 4),
        *("--labels", labels, "--label-delay", 1, "--abnormal-share", 0.15),
    )
    assert done.returncode == 0, done.stderr
    events = rows(done.stdout)
    assert 240 <= len(events) <= 360
    assert list(events[0]) == EVENT_KEYS
    seconds = float(re.search(r"in (\d+\.\d) s", done.stderr)[1])
    assert 2.5 <= seconds <= 4
    told = {row["event_id"]: row for row in rows(labels)}
    assert set(told) == {e["event_id"] for e in events}
    assert {row["label"] for row in told.values()} == {"normal", "anomaly"}
    for event in events:
        assert event["event_time"] < told[event["event_id"]]["label_time"]
    assert time.time() - began >= 3.4, "the last label is at least half a delay late"


def test_stream_with_a_start_time_is_the_same_every_time(run):
    fast = (SIMULATOR, "stream", "--rate", 4000, "--seconds", "0.1", "--start")
    first = run(*fast, "2026-03-01T12:00:00Z").stdout
    assert first.count("\n") > 100
    assert run(*fast, "2026-03-01T12:00:00Z").stdout == first
    assert run(*fast, "2026-03-01T12:00:01Z").stdout != first


def test_growing_file_is_appended_line_by_line_until_sigterm(start, rows, until, tmp_path):
    live, labels = tmp_path / "live.jsonl", tmp_path / "labels.jsonl"
    live.write_text('{"before": true}\n')
    process = start(
        *(SIMULATOR, "stream", "--rate", 60, "--to", f"file:{live}"),
        *("--labels", labels, "--label-delay", "1h"),
    )
    sizes = set()
    until(lambda: sizes.add(live.stat().st_size) or len(sizes) > 10)
    assert live.read_bytes().endswith(b"\n")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "stopped early" in err
    assert "Traceback" not in err
    sent = rows(live)[1:]
    assert [r["event_id"] for r in rows(labels)], "no event stays without its truth"
    assert {r["event_id"] for r in rows(labels)} == {e["event_id"] for e in sent}


def test_ctrl_c_ends_cleanly(start):
    process = start(SIMULATOR, "stream", "--rate", 50)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in err


def test_a_reader_that_goes_away_ends_the_stream(start):
    process = start(SIMULATOR, "stream", "--rate", 500)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=10) == 0
    assert "Traceback" not in process.stderr.read()


def test_tcp_waits_reconnects_and_sends_again(start, rows, until):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    process = start(
        *(SIMULATOR, "stream", "--rate", 80, "--seconds", 3, "--to", f"tcp:127.0.0.1:{port}")
    )
    first, _ = listener.accept()
    received = first.makefile().readline()
    first.shutdown(socket.SHUT_WR)  # says goodbye, and still takes what is on its way
    listener.close()
    received += _read_all(first)
    second_listener = until(lambda: _listen(port))
    second, _ = second_listener.accept()
    received += _read_all(second)
    _, err = process.communicate(timeout=20)
    second_listener.close()
    assert process.returncode == 0, err
    ids = [e["event_id"] for e in rows(received)]
    assert ids == sorted(set(ids)), "in order, none twice"
    assert int(re.search(r"sent (\d+) lines", err)[1]) == len(ids)
    assert [int(i.split("-")[1]) for i in ids] == list(range(len(ids))), "none is missing"
    assert "connecting again" in err


def _listen(port: int):
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None


def _read_all(connection: socket.socket) -> str:
    with connection, connection.makefile() as file:
        return file.read()


def test_waiting_for_a_listener_ends_on_sigterm(start):
    with socket.socket() as reserved:  # bound but not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        process = start(SIMULATOR, "stream", "--to", f"tcp:127.0.0.1:{reserved.getsockname()[1]}")
        assert "trying until it listens" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_replay_sends_lines_unchanged_with_labels_from_the_header(run, rows, tmp_path):
    log, out, labels = tmp_path / "bgl.log", tmp_path / "out.log", tmp_path / "labels.jsonl"
    log.write_text(BGL_LINES)
    done = run(
        *(SIMULATOR, "replay", log, "--rate", 50, "--to", f"file:{out}"),
        *("--header", BGL_HEADER, "--labels", labels, "--label-delay", 0),
    )
    assert done.returncode == 0, done.stderr
    assert out.read_text() == BGL_LINES
    starts = [BGL_LINES.index(line) for line in BGL_LINES.splitlines()]
    told = {row["event_id"]: row for row in rows(labels)}
    assert list(told) == [f"{out}:{byte}" for byte in starts]
    assert [r["incident"] for r in told.values()] == [None, "KERNDTLB", "APPREAD"]
    assert [r["label"] for r in told.values()] == ["normal", "anomaly", "anomaly"]


def test_replay_of_a_part_at_a_rate(run, tmp_path):
    log = tmp_path / "n.log"
    log.write_text("".join(f"line {n}\n" for n in range(200)))
    began = time.monotonic()
    done = run(SIMULATOR, "replay", log, "--rate", 50, "--skip", 20, "--limit", 60)
    assert done.stdout.splitlines() == [f"line {n}" for n in range(20, 80)]
    assert time.monotonic() - began >= 59 / 50


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("stream", "--to", "carrier-pigeon"), "write stdout, file:PATH or tcp:HOST:PORT"),
        (("stream", "--rate", "0"), "0 is not more than 0"),
        (("stream", "--new-incidents-after", "soon"), "--new-incidents-after 'soon'"),
        (("replay", "/nowhere/x.log"), "cannot read /nowhere/x.log: No such file"),
        (("replay", "/etc/hostname", "--labels", "x"), "--labels needs --header"),
        (("history", "--out", "/proc/none/x"), "cannot write /proc/none/x"),
    ],
)
def test_a_mistake_is_one_clear_line(run, arguments, says):
    done = run(SIMULATOR, *arguments)
    assert done.returncode != 0
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
