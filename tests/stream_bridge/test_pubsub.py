"""Pub/Sub on a real server that outlives its death: nothing is lost, ids stay the same."""

import json
import signal
import time

import pytest

from examples.services import process
from examples.services.pubsub import PubSub
from stream_bridge.config.loading import load_config
from stream_bridge.errors import ConfigError, SourceError

pytestmark = pytest.mark.slow


def until(condition):
    """Generous: a bridge that starts on a loaded machine takes its time."""
    return process.until(condition, 120)


@pytest.fixture(scope="module")
def pubsub(tmp_path_factory):
    with PubSub(tmp_path_factory.mktemp("pubsub")) as server:
        yield server


@pytest.fixture
def topic(pubsub, request):
    """Makes topics of this test's own; gives their addresses."""
    prefix = request.node.name.replace("[", "-").strip("]")[-40:].lstrip("_")

    def make(name, **subscription):
        return pubsub.topic(f"t-{prefix}-{name}", **subscription)

    return make


def name_of(address):
    return address.rpartition("/")[2]


def source(address, **more):
    return {"address": address, "lease_seconds": 10, **more}


def scored(it):
    return {p["event_id"] for p in it.predictions}


def test_messages_with_keys_attributes_and_times(bridge, pubsub, topic):
    address, out = topic("in"), topic("out")
    pubsub.send(name_of(address), ["bad disk"], ordering_key="db-1", attributes={"zone": "a"})
    pubsub.send(
        name_of(address),
        ["fine"],
        attributes={"uid": "7", "at": "2026-01-05T10:00:00Z"},
    )
    pubsub.send(name_of(address), [b"\xff\xfe"], attributes={"uid": "8"})
    it = bridge(
        source=source(address, id_attribute="uid", time_attribute="at"),
        sinks={
            "alerts": {"address": out, "take": "alerts", "ordered": True},
        },
        stop_after=3,
    )
    assert it.run() == 0
    assert it.said[-1].startswith("read 3 = predicted 2 + dead 1")
    by_text = {p["text"]: p for p in it.predictions}
    bad, fine = by_text["bad disk"], by_text["fine"]
    assert bad["key"] == "db-1"
    assert bad["attributes"] == {"zone": "a"}
    assert bad["event_id"] == f"{name_of(address)}/m0"
    assert bad["event_time"] > "2026-02"
    assert (fine["event_id"], fine["key"]) == ("7", None)
    assert fine["event_time"] == "2026-01-05T10:00:00.000000Z"
    assert (it.dead[0]["code"], it.dead[0]["position"]) == ("UNDECODABLE", "8")
    (alert,) = pubsub.messages(name_of(out))
    assert json.loads(alert.data)["event_id"] == bad["event_id"]
    assert dict(alert.attributes) == {"event_id": bad["event_id"]}
    assert alert.ordering_key == "db-1"
    assert pubsub.messages(name_of(address)) == []


def test_messages_are_leased_as_long_as_they_are_worked_on(bridge, pubsub, topic, server):
    address = topic("in", ack_deadline_seconds=10)
    pubsub.send(name_of(address), [f"line {i}" for i in range(50)])
    server.fail("UNAVAILABLE", method="Predict")
    it = bridge(source=source(address)).start()
    until(lambda: it.status().get("state") == "waiting")
    # Longer than a lease: whoever else asks gets nothing.
    deadline = time.monotonic() + 13
    while time.monotonic() < deadline:
        assert pubsub.messages(name_of(address)) == []
    server.heal()
    until(lambda: len(it.predictions) == 50)
    assert it.finish() == 0
    assert len(it.predictions) == 50
    assert pubsub.messages(name_of(address)) == []


@pytest.mark.parametrize("engine", ["local", "prism", "flink"])
def test_the_bridge_is_killed_and_started_again(bridge, pubsub, topic, server, engine):
    from tests.stream_bridge.test_engines import ENGINES

    address = topic("in", ack_deadline_seconds=10)
    ids = pubsub.send(name_of(address), [f"line {i}" for i in range(600)])
    server.delay(0.05, method="Predict")
    given = {
        "source": source(address),
        "cache": {"enabled": False},
        "batching": {"max_events": 8, "commit_seconds": 0.1},
        "engine": engine,
        **ENGINES.get(engine, {}),
    }
    killed = bridge(**given).spawn()
    until(lambda: len(killed.predictions) > 100)
    killed.kill()
    assert len(scored(killed)) < 600
    server.heal()
    rest = bridge(**given).spawn()
    until(lambda: len(scored(rest)) == 600)
    code, _, errors = rest.kill(signal.SIGTERM)
    assert code == 0, errors
    assert scored(rest) == {f"{name_of(address)}/{each}" for each in ids}
    assert pubsub.messages(name_of(address)) == []


def test_the_server_is_killed_and_started_again(bridge, pubsub, topic):
    address, out = topic("in", ack_deadline_seconds=10), topic("out")
    it = bridge(
        source=source(address), sinks={"out": {"address": out, "take": "predictions"}}
    ).start()
    first = pubsub.send(name_of(address), [f"line {i}" for i in range(500)])
    until(lambda: len(it.predictions) > 0)
    pubsub.kill()
    pubsub.start()
    second = pubsub.send(name_of(address), [f"line {i}" for i in range(500, 1000)])
    sent = {f"{name_of(address)}/{each}" for each in first + second}
    until(lambda: scored(it) == sent)
    assert it.finish() == 0
    assert it.dead == []
    published = {json.loads(message.data)["event_id"] for message in pubsub.messages(name_of(out))}
    assert published == sent
    assert pubsub.messages(name_of(address)) == []


def test_sigterm_gives_back_what_is_not_done(bridge, pubsub, topic, server):
    address = topic("in")
    pubsub.send(name_of(address), [f"line {i}" for i in range(300)])
    server.delay(0.05, method="Predict")
    it = bridge(
        source=source(address, lease_seconds=600), batching={"max_events": 5, "sort_events": 10}
    ).spawn()
    until(lambda: len(it.predictions) > 20)
    assert it.kill(signal.SIGTERM)[0] == 0
    done = len(it.predictions)
    assert 20 < done < 300
    # At once, and not when the lease of ten minutes is over.
    assert len(pubsub.messages(name_of(address))) == 300 - done


def test_a_subscription_that_is_not_there_is_one_line(bridge, pubsub):
    it = bridge(source=source("pubsub://local/nothing-here"))
    with pytest.raises(SourceError, match="create the subscription"):
        it.run()


def test_an_address_says_how_it_is_written(tmp_path):
    file = tmp_path / "bridge.yaml"
    file.write_text("state_dir: s\nserver: {model: m}\nsource: {address: 'pubsub://p'}\nsinks: {}")
    with pytest.raises(ConfigError, match="write pubsub://PROJECT/SUBSCRIPTION"):
        load_config(file)
