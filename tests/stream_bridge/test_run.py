"""Whole bridges, against a real server in this process."""

import base64
import json
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from apache_beam.runners.worker.statesampler import StateSampler
from apache_beam.utils.counters import CounterFactory

from stream_bridge.engines import _prompt_samplers
from stream_bridge.errors import MismatchError, SourceError, StateError, WaitedTooLong
from stream_bridge.runtime import Runtime
from stream_bridge.state import StateDir


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def append(path, *lines):
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def texts(bridge):
    return [prediction["text"] for prediction in bridge.predictions]


def test_file_is_scored_and_bad_lines_are_alone_in_the_dead_letters(bridge, tmp_path):
    good = [
        json.dumps({"id": f"e{i}", "at": f"2026-01-05T10:00:{i % 60:02d}Z", "m": {"text": f"t{i}"}})
        for i in range(300)
    ]
    bad = [b"\xff\xfe", b"not json", b"[1]", b'{"id": "x"}', b"z" * 3000]
    late = b'{"id": "w", "at": "noon", "m": {"text": "t"}}'
    lines = [line.encode() for line in good]
    for place, line in enumerate([*bad, late, b""]):
        lines.insert(17 * place, line)
    (tmp_path / "in").write_bytes(b"\n".join(lines))
    it = bridge(
        source={"address": f"file:{tmp_path}/in"},
        format={
            "kind": "json",
            "id": "id",
            "time": {"field": "at"},
            "text": "say {m.text}",
            "attributes": ["m.text", "not.there"],
        },
        limits={"max_line_bytes": 2000},
    )
    assert it.run() == 0
    assert it.said == ["read 307 = predicted 300 + dead 6 + skipped 1; alerts 0; by version 1: 300"]
    assert [letter["code"] for letter in it.dead] == [
        "UNDECODABLE", "NOT_JSON", "NOT_JSON", "MISSING_FIELD", "OVERSIZED", "BAD_TIME",
    ]  # fmt: skip
    assert base64.b64decode(it.dead[0]["raw"]) == b"\xff\xfe"
    assert [prediction["event_id"] for prediction in it.predictions] == [
        f"e{i}" for i in range(300)
    ]
    first = it.predictions[1]
    assert first["event_time"] == "2026-01-05T10:00:01.000000Z"
    assert first["text"] == "say t1"
    assert first["attributes"] == {"m.text": "t1", "not.there": None}
    assert first["outputs"] == {"label": "normal", "score": 0.1}
    assert first["model"] == "m"
    assert first["version"] == 1
    assert first["alert"] is False
    assert it.status()["state"] == "stopped"


def test_a_restart_goes_on_and_from_start_begins_again(bridge, tmp_path):
    (tmp_path / "in").write_text("".join(f"line {i}\n" for i in range(100)))
    source = {"address": f"file:{tmp_path}/in"}
    assert bridge(source=source, stop_after=30).run() == 0
    rest = bridge(source=source)
    assert rest.run() == 0
    assert texts(rest) == [f"line {i}" for i in range(100)]
    assert rest.said[-1].startswith("read 70 =")
    again = bridge(source=source)
    assert again.run() == 0
    assert "nothing new" in again.said[0]
    assert again.run(from_start=True) == 0
    ids = [prediction["event_id"] for prediction in again.predictions]
    assert ids[:100] == ids[100:]


def test_poison_is_found_by_bisection(bridge, tmp_path, server):
    lines = [f"line {i}" for i in range(64)]
    lines[37] = "poison"
    (tmp_path / "in").write_text("\n".join(lines))
    it = bridge(source={"address": f"file:{tmp_path}/in"}, batching={"max_events": 64})
    assert it.run() == 0
    assert len(it.predictions) == 63
    (letter,) = it.dead
    assert letter["stage"] == "score"
    assert letter["code"] == "INVALID_ARGUMENT"
    assert letter["event"]["text"] == "poison"
    # One batch, two halves per level, and one probe.
    sent = [call for call in server.calls if call.method == "Predict"]
    assert sum("text" in call.request.inputs for call in sent) <= 1 + 2 * 6 + 1


def test_alerts_by_label_and_by_threshold(bridge, tmp_path):
    (tmp_path / "in").write_text("good\nbad\n")
    source = {"address": f"file:{tmp_path}/in"}
    sinks = {
        "alerts": {"address": f"jsonl:{tmp_path}/alerts", "take": "alerts"},
    }
    it = bridge(source=source, sinks=sinks)
    assert it.run() == 0
    assert [p["alert"] for p in it.predictions] == [False, True]
    assert json.loads((tmp_path / "alerts").read_text())["text"] == "bad"
    low = bridge(source=source, alert={"threshold": 0.05})
    assert low.run(from_start=True) == 0
    assert [p["alert"] for p in low.predictions[2:]] == [True, True]


def test_growing_file_with_partial_lines_and_rotation(bridge, tmp_path):
    log = tmp_path / "app.log"
    it = bridge(source={"address": f"tail:{log}"}).start()
    append(log, "one", "two")
    wait_for(lambda: texts(it) == ["one", "two"])
    with log.open("a") as file:
        file.write("thr")
        file.flush()
        wait_for(lambda: it.status()["backlog_bytes"] == 3 or it.status()["out"] == 2)
        file.write("ee\n")
    wait_for(lambda: len(it.predictions) == 3)
    log.rename(tmp_path / "app.log.1")
    append(tmp_path / "app.log.1", "late")
    append(log, "new")
    wait_for(lambda: len(it.predictions) == 5)
    log.write_text("")
    wait_for(lambda: it.status()["waiting"] == 0)
    append(log, "after truncation")
    wait_for(lambda: len(it.predictions) == 6)
    assert it.finish() == 0
    assert texts(it) == ["one", "two", "three", "late", "new", "after truncation"]
    ids = [p["event_id"].rpartition("/")[2] for p in it.predictions]
    assert ids == [
        "app.log:0", "app.log:4", "app.log:8", "app.log:14", "app.log#1:0", "app.log#2:0",
    ]  # fmt: skip


def test_tcp_lines_of_several_senders(bridge, tmp_path):
    it = bridge(
        source={
            "address": "tcp://127.0.0.1:0",
            "spool_max_bytes": 20_000,
            "spool_segment_bytes": 4_000,
        }
    ).start()
    host, port = wait_for(lambda: it.status().get("listening")).split(":")
    sent = []
    for sender in range(3):
        with socket.create_connection((host, int(port))) as sock:
            for i in range(700):
                line = f"sender {sender} says {i} {'.' * 40}"
                sent.append(line)
                sock.sendall(line.encode() + b"\n" * (i != 699))
    wait_for(lambda: len(it.predictions) == 2100)
    assert it.finish() == 0
    assert sorted(texts(it)) == sorted(sent)
    assert len({p["event_id"] for p in it.predictions}) == 2100
    spool = list((tmp_path / "state" / "spool").iterdir())
    assert sum(path.stat().st_size for path in spool) <= 20_000


def test_server_killed_in_mid_stream_loses_nothing(bridge, tmp_path, server):
    log = tmp_path / "app.log"
    server.delay(0.01, method="Predict")
    it = bridge(source={"address": f"tail:{log}"}).start()
    append(log, *(f"line {i}" for i in range(500)))
    wait_for(lambda: len(it.predictions) > 50)
    server.stop()
    append(log, *(f"line {i}" for i in range(500, 1000)))
    wait_for(lambda: it.status()["state"] == "waiting")
    assert "UNAVAILABLE" in it.status()["waiting_for"]
    server.start()
    wait_for(lambda: len(it.predictions) >= 1000)
    assert it.finish() == 0
    assert texts(it) == [f"line {i}" for i in range(1000)]
    assert it.dead == []


def test_version_switch_in_mid_stream_fails_no_event(bridge, tmp_path, server):
    log = tmp_path / "app.log"
    it = bridge(source={"address": f"tail:{log}"}).start()
    for start in range(0, 600, 50):
        append(log, *(f"line {i}" for i in range(start, start + 50)))
        wait_for(lambda end=start + 50: len(it.predictions) >= end)
        if start == 250:
            server.add(
                "m",
                lambda inputs: {"label": [b"normal"] * len(inputs["text"])},
                version=2,
                outputs={"label": "string[?]"},
            )
            server.set_state("m", 1, "END")
    assert it.finish() == 0
    assert it.status()["versions"] == {"1": 300, "2": 300}
    assert it.dead == []
    assert len({p["event_id"] for p in it.predictions}) == 600


def test_a_broken_new_version_is_waited_out(bridge, tmp_path, server):
    def broken(inputs):
        from serving_client.errors import InvalidArgumentError

        raise InvalidArgumentError("this version refuses everything")

    log = tmp_path / "app.log"
    it = bridge(source={"address": f"tail:{log}"}).start()
    append(log, "one")
    wait_for(lambda: len(it.predictions) == 1)
    server.add("m", broken, version=2)
    append(log, *(f"line {i}" for i in range(40)))
    wait_for(lambda: it.status()["state"] == "waiting")
    server.set_state("m", 2, "END")
    wait_for(lambda: len(it.predictions) == 41)
    assert it.finish() == 0
    assert it.dead == []


def test_waiting_has_a_limit_and_loses_nothing(bridge, tmp_path, server):
    log = tmp_path / "app.log"
    source = {"address": f"tail:{log}"}
    it = bridge(source=source, failure={"max_wait_seconds": 0.3}).start()
    append(log, "one")
    wait_for(lambda: len(it.predictions) == 1)
    server.stop()
    append(log, "two")
    with pytest.raises(WaitedTooLong, match="UNAVAILABLE"):
        wait_for(lambda: it.error)
        it.finish()
    assert "1 handed back" in it.said[-1]
    server.start()
    again = bridge(source=source, stop_after=1)
    assert again.run() == 0
    assert texts(again) == ["one", "two"]


def test_a_stop_while_the_server_is_away_hands_back(bridge, tmp_path, server):
    log = tmp_path / "app.log"
    it = bridge(source={"address": f"tail:{log}"}, failure={"drain_seconds": 0.2}).start()
    append(log, "one")
    wait_for(lambda: len(it.predictions) == 1)
    server.stop()
    append(log, "two", "three")
    wait_for(lambda: it.status()["state"] == "waiting")
    assert it.finish() == 0
    assert "2 handed back" in it.said[-1]


def test_sink_that_cannot_be_written_holds_the_stream(bridge, tmp_path):
    log = tmp_path / "app.log"
    it = bridge(source={"address": f"tail:{log}"}).start()
    append(log, "one")
    wait_for(lambda: it.status().get("out") == 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))  # as if the disk were full
    try:
        append(log, *(f"line {i}" for i in range(20)))
        wait_for(lambda: "File too large" in (it.status()["waiting_for"] or ""))
        assert it.status()["out"] == 1
        assert len(it.predictions) == 1  # no half of a batch, no half of a line
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    wait_for(lambda: len(it.predictions) == 21)
    assert it.finish() == 0


def test_what_does_not_fit_is_said_before_the_first_line(bridge, tmp_path):
    (tmp_path / "in").write_text("x\n")
    source = {"address": f"file:{tmp_path}/in"}
    with pytest.raises(MismatchError, match=r"server\.model: .* no model 'other'"):
        bridge(source=source, server={"model": "other"}).run()
    with pytest.raises(MismatchError, match=r"server\.signature: .* it has serving_default"):
        bridge(source=source, server={"signature": "nope"}).run()
    with pytest.raises(MismatchError, match=r"server\.input: .* no input 'txt'; it has text"):
        bridge(source=source, server={"input": "txt"}).run()
    with pytest.raises(MismatchError, match=r"server\.outputs: .* no output 'value'"):
        bridge(source=source, server={"outputs": ["value"]}).run()
    with pytest.raises(SourceError, match="No such file"):
        bridge(source={"address": "file:not-there"}).run()


def test_one_bridge_at_a_time_uses_a_state_directory(bridge, tmp_path):
    source = {"address": f"tail:{tmp_path}/app.log"}
    it = bridge(source=source).start()
    wait_for(lambda: it.status().get("state") == "running")
    with pytest.raises(StateError, match="in use by another bridge"):
        bridge(source=source).run()
    assert it.finish() == 0


def test_max_seconds_stops_by_itself(bridge, tmp_path):
    it = bridge(source={"address": f"tail:{tmp_path}/app.log"}, max_seconds=0.3)
    assert it.run() == 0
    assert it.said == ["read 0 = predicted 0 + dead 0; alerts 0"]


def test_a_failed_pipeline_is_started_again_where_it_stopped(bridge, tmp_path, caplog):
    log = tmp_path / "app.log"
    append(log, "one")
    it = bridge(source={"address": f"tail:{log}"}, failure={"restarts": 20}).start()
    wait_for(lambda: it.status().get("out") == 1)
    log.unlink()
    log.mkdir()  # it cannot be read as a file
    (log / "x").touch()
    wait_for(lambda: any("the pipeline failed" in record.message for record in caplog.records))
    (log / "x").unlink()
    log.rmdir()
    append(log, "two")
    wait_for(lambda: texts(it) == ["one", "two"])
    assert it.finish() == 0


def test_a_pipeline_that_keeps_failing_is_given_up(bridge, tmp_path):
    log = tmp_path / "app.log"
    it = bridge(source={"address": f"tail:{log}"}, failure={"restarts": 1}).start()
    wait_for(lambda: it.status().get("state") == "running")
    log.mkdir()
    with pytest.raises(SourceError, match="Is a directory"):
        wait_for(lambda: it.error)
        it.finish()
    assert it.status()["state"] == "failed"


def test_the_next_lines_do_not_wait_for_beams_sampler():
    before = StateSampler("a", CounterFactory()).sampling_period_ms
    with _prompt_samplers():
        assert StateSampler("a", CounterFactory()).sampling_period_ms == 10
    assert StateSampler("a", CounterFactory()).sampling_period_ms == before


def test_positions_may_be_committed_at_once_and_none_after_the_last(bridge, tmp_path):
    append(tmp_path / "in", "line")
    config = bridge(source={"address": f"file:{tmp_path}/in"}).config
    with StateDir(config.state_dir) as state, Runtime(config, state) as runtime:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: runtime.commit({"at": n}, 0), range(200)))
        assert runtime.failure is None
        runtime.source_at(None).read(1, 1.0)
        runtime.commit_read()
        last = runtime.committed_position()
        assert "at" not in last
        runtime.commit({"at": 1}, 0)
        assert runtime.committed_position() == last


def test_what_was_not_committed_is_after_an_empty_bundle(bridge, tmp_path, monkeypatch):
    append(tmp_path / "in", "line")
    config = bridge(source={"address": f"file:{tmp_path}/in"}).config
    with StateDir(config.state_dir) as state, Runtime(config, state) as runtime:
        source = runtime.source_at(None)
        source.read(1, 1.0)
        answers = iter([False, True])
        monkeypatch.setattr(source, "committed", lambda position: next(answers))
        assert runtime.owes(source.position, 1, moved=True)
        # An engine that says nothing of the first bundle, and a source that refuses the second.
        assert runtime.owes(source.position, 0, moved=False)
        runtime.commit(source.position, 0)
        assert runtime.owes(source.position, 0, moved=False)
        runtime.commit(source.position, 0)
        assert not runtime.owes(source.position, 0, moved=False)
