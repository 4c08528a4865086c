"""The same config on Prism and on a Flink mini-cluster, with a real Kafka: nothing is lost."""

import json
import signal
import socket
from datetime import datetime, timedelta, timezone

import pytest

from examples.services.kafka import Kafka
from examples.services.mosquitto import Mosquitto
from examples.services.process import ROOT, free_port, install, until
from stream_bridge.state import instance_name
from tests.stream_bridge.conftest import json_lines
from tests.stream_bridge.flink import JOB_SERVER, FlinkCluster

pytestmark = pytest.mark.slow

ENGINES = {
    "prism": {"prism": {"binary": str(ROOT / ".tools/prism/prism")}},
    "flink": {"flink": {"job_server_jar": str(JOB_SERVER)}},
}
BEGIN = datetime(2026, 1, 5, 10, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture(params=ENGINES)
def engine(request):
    install(request.param)
    return request.param


def events(numbers):
    """One event a second, of two hosts; every tenth is bad."""
    for number in numbers:
        at = BEGIN + timedelta(seconds=number)
        text = "bad" if number % 10 == 0 else "good"
        yield json.dumps({"at": at.isoformat(), "host": f"h{number % 2}", "text": text})


def settings(address, engine, group, **more):
    return {
        "engine": engine,
        **ENGINES[engine],
        "source": {"address": address, "group": group},
        "format": {"kind": "json", "text": "{text}", "key": "host", "time": {"field": "at"}},
        **more,
    }


def running(it, condition, seconds=180):
    """Waits as long as the bridge runs."""

    def look():
        if it.process.poll() is not None:
            raise AssertionError(it.process.stderr.read())
        return condition()

    return until(look, seconds)


def test_windows_fire_while_it_runs(bridge, broker, engine, tmp_path):
    address = broker.topic(f"{engine}-windows")
    topic = f"{engine}-windows"
    scored = broker.topic(f"{engine}-scored")
    it = bridge(
        **settings(address, engine, topic),
        windows={"length_seconds": 60, "out_of_order_seconds": 5},
        sinks={
            "scored": {"address": scored, "take": "predictions"},
            "windows": {"address": f"jsonl:{tmp_path}/windows.jsonl", "take": "windows"},
        },
    ).spawn()
    broker.send(topic, events(range(150)))
    found = running(it, lambda: len(f := json_lines(tmp_path / "windows.jsonl")) >= 4 and f)
    counts = {(w["key"], w["window_start"][14:16]): (w["events"], w["alerts"]) for w in found}
    assert counts == {
        ("h0", "00"): (30, 6),
        ("h1", "00"): (30, 0),
        ("h0", "01"): (30, 6),
        ("h1", "01"): (30, 0),
    }
    running(it, lambda: len(it.predictions) == 150)
    code, out, err = it.kill(signal.SIGTERM)
    assert code == 0, err
    assert out.startswith("read 150 = predicted 150 + dead 0")
    counted = it.status()["engine_counts"]
    if engine == "prism":
        # Flink tells those of a cancelled job only to who asks its cluster.
        assert (counted["read"], counted["predicted"], counted["windows"]) == (150, 150, 6)
    assert broker.offsets(topic, topic) == {0: 150}
    written = [json.loads(message.value()) for message in broker.messages(f"{engine}-scored")]
    assert [each["event_id"] for each in written] == [f"{topic}/0/{i}" for i in range(150)]


def test_a_killed_bridge_loses_nothing(bridge, broker, engine, server):
    topic = f"{engine}-killed"
    address = broker.topic(topic, 2)
    broker.send(topic, events(range(2000)))
    server.delay(0.02, method="Predict")
    # Each text is asked, so that it takes a while.
    given = settings(address, engine, topic, cache={"enabled": False})
    killed = bridge(**given).spawn()
    running(killed, lambda: len(killed.predictions) > 300)
    killed.kill()
    assert len(killed.predictions) < 2000
    server.heal()
    given["source"]["until_end"] = True
    rest = bridge(**given).spawn()
    until(lambda: rest.process.poll() is not None, 120)
    assert rest.process.returncode == 0, rest.process.stderr.read()
    assert len({p["event_id"] for p in rest.predictions}) == 2000


def test_a_killed_task_manager_costs_no_event_and_no_window(bridge, broker, tmp_path):
    install("flink")
    topic = "task-manager"
    address = broker.topic(topic, 2)
    with FlinkCluster(tmp_path / "cluster") as cluster:
        given = settings(address, "flink", topic)
        given["flink"] = {**given["flink"], "master": cluster.master, "checkpoint_seconds": 1}
        it = bridge(
            **given,
            windows={"length_seconds": 60, "out_of_order_seconds": 5},
            sinks={"windows": {"address": f"jsonl:{tmp_path}/windows.jsonl", "take": "windows"}},
        ).spawn()
        broker.send(topic, events(range(100)))
        running(it, lambda: len(it.predictions) == 100)
        assert until(lambda: cluster.metrics("stream_bridge_predicted") == [100], 120)
        # Half of the second window is in a checkpoint now.
        running(it, lambda: sum(broker.offsets(topic, topic).values()) == 100)
        cluster.task_manager.kill()
        broker.send(topic, events(range(100, 200)))
        cluster.task_manager.start()
        running(it, lambda: len({p["event_id"] for p in it.predictions}) == 200)
        code, out, err = it.kill(signal.SIGTERM)
    assert code == 0, err
    assert "predicted 200" in out
    found = {
        (w["key"], w["window_start"][14:16], w["events"], w["alerts"])
        for w in json_lines(tmp_path / "windows.jsonl")
    }
    assert found == {
        *(("h0", minute, 30, 6) for minute in ("00", "01", "02")),
        *(("h1", minute, 30, 0) for minute in ("00", "01", "02")),
        ("h0", "03", 10, 2),
        ("h1", "03", 10, 0),
    }


def test_pushed_messages_are_scored_and_kept_over_a_kill(bridge, engine, tmp_path):
    """MQTT and syslog have no position of their own: the spool's has to go with the engine's."""
    with Mosquitto(tmp_path / "mosquitto") as mosquitto:
        address = {"address": mosquitto.url, "topics": ["alarms/#"]}
        given = {"engine": engine, **ENGINES[engine], "source": address}
        killed = bridge(**given).spawn()
        running(killed, lambda: mosquitto.subscribed(instance_name(tmp_path / "state")))
        mosquitto.send([("alarms/x", f"line {i}") for i in range(300)])
        running(killed, lambda: len(killed.predictions) > 100)
        killed.kill()
        mosquitto.send([("alarms/x", f"line {i}") for i in range(300, 400)])
        rest = bridge(**given).spawn()
        running(rest, lambda: len({p["text"] for p in rest.predictions}) == 400)
        code, _, err = rest.kill(signal.SIGTERM)
    assert code == 0, err
    assert len({p["event_id"] for p in rest.predictions}) == 400
    assert {p["attributes"]["topic"] for p in rest.predictions} == {"alarms/x"}

    port = free_port()
    it = bridge(
        state_dir=str(tmp_path / "syslog"),
        engine=engine,
        **ENGINES[engine],
        source={"address": f"syslog://127.0.0.1:{port}"},
        format={"kind": "syslog", "key": "host"},
        sinks={"predictions": {"address": f"jsonl:{tmp_path}/syslog.jsonl", "take": "predictions"}},
    ).spawn()
    with until(lambda: connected(port), 60) as sender:
        for number in range(200):
            sender.sendall(f"<165>1 - h{number % 2} app - - - bad {number}\n".encode())
    found = running(it, lambda: len(f := json_lines(tmp_path / "syslog.jsonl")) == 200 and f)
    assert {p["key"] for p in found} == {"h0", "h1"}
    assert all(p["alert"] for p in found)
    code, out, err = it.kill(signal.SIGTERM)
    assert code == 0, err
    assert out.startswith("read 200 = predicted 200 + dead 0")


def connected(port):
    try:
        return socket.create_connection(("127.0.0.1", port))
    except ConnectionRefusedError:
        return None
