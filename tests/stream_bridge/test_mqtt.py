"""MQTT on a real broker: acknowledged once durable, nothing lost, what comes again keeps its id."""

import signal

import pytest

from examples.services import process
from examples.services.mosquitto import Mosquitto
from examples.services.process import free_port
from stream_bridge.ends_check import check_source
from stream_bridge.errors import SourceAway, SourceError
from stream_bridge.state import instance_name
from tests.stream_bridge.certificates import self_signed

pytestmark = pytest.mark.slow


def until(condition):
    """Generous: a bridge that starts on a loaded machine takes its time."""
    return process.until(condition, 120)


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path / "mosquitto") as mosquitto:
        yield mosquitto


def session_of(bridge):
    return instance_name(bridge.folder / "state")


def source(broker, **more):
    return {"address": broker.url, "topics": ["site/+/log", "alarms/#"], **more}


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_topics_are_keys_and_the_session_is_kept(bridge, broker, protocol):
    given = {"source": source(broker, protocol=protocol)}
    it = bridge(**given).start()
    until(lambda: broker.subscribed(session_of(it)))
    broker.send([("site/a/log", "bad\nday"), ("site/a/other", "no"), ("alarms", b"\xff")])
    until(lambda: it.predictions and it.dead)
    (prediction,) = it.predictions
    assert prediction["text"] == "bad\nday"
    assert prediction["key"] == "site/a/log"
    assert prediction["attributes"] == {"topic": "site/a/log"}
    assert prediction["event_id"].startswith("spool/")
    assert it.dead[0]["code"] == "UNDECODABLE"
    assert it.finish() == 0
    # The broker keeps what comes meanwhile; two that are equal are two.
    broker.send([("alarms/x", "same"), ("alarms/x", "same")])
    again = bridge(**given).start()
    until(lambda: len(again.predictions) == 3)
    assert len({p["event_id"] for p in again.predictions}) == 3
    assert again.finish() == 0


def test_the_bridge_is_killed_and_started_again(bridge, broker, server):
    server.delay(0.02, method="Predict")
    given = {"source": source(broker), "cache": {"enabled": False}}
    killed = bridge(**given).spawn()
    until(lambda: broker.subscribed(session_of(killed)))
    broker.send([(f"site/{i % 5}/log", f"line {i}") for i in range(1000)])
    until(lambda: len(killed.predictions) > 50)
    killed.kill()
    broker.send([("alarms/x", f"line {i}") for i in range(1000, 1500)])
    server.heal()
    rest = bridge(**given).spawn()
    until(lambda: len({p["text"] for p in rest.predictions}) == 1500)
    code, _, errors = rest.kill(signal.SIGTERM)
    assert code == 0, errors
    # A repetition has the id that it had.
    assert len({p["event_id"] for p in rest.predictions}) == 1500


def test_what_the_broker_sends_again_keeps_its_id(bridge, broker, tmp_path):
    """The bridge dies between the disk and the broker: the broker has not heard of it."""
    from stream_bridge.config.mqtt import MqttSource
    from stream_bridge.sources.mqtt import MqttFeeder

    config, spool = MqttSource(**source(broker)), tmp_path / "state" / "spool"

    class Mute(MqttFeeder):
        """Journals, and acknowledges nothing."""

        def written(self, segment, start):
            self.durable = getattr(self, "durable", 0) + len(self._batch)

    with Mute(config, spool, 1000, "session") as mute:
        until(lambda: broker.subscribed("session"))
        broker.send([("alarms/x", f"line {i}") for i in range(15)])
        until(lambda: mute.durable == 15)
    it = bridge(source=source(broker, client_id="session")).start()
    until(lambda: len(it.predictions) >= 30)
    assert it.finish() == 0
    assert len({p["event_id"] for p in it.predictions}) == 15


def test_the_broker_is_killed_and_started_again(bridge, broker):
    it = bridge(source=source(broker)).start()
    until(lambda: broker.subscribed(session_of(it)))
    broker.send([("alarms/x", f"line {i}") for i in range(500)])
    until(lambda: len(it.predictions) == 500)
    broker.save()
    broker.kill()
    broker.start()
    broker.send([("alarms/x", f"line {i}") for i in range(500, 1000)])
    until(lambda: len({p["text"] for p in it.predictions}) == 1000)
    assert it.finish() == 0
    assert len({p["event_id"] for p in it.predictions}) == 1000


def test_while_the_model_server_is_away_messages_wait_here(bridge, broker, server):
    server.fail("UNAVAILABLE", method="Predict")
    it = bridge(source=source(broker)).start()
    until(lambda: broker.subscribed(session_of(it)))
    # More than the broker would have on its way without an acknowledgement.
    broker.send([("alarms/x", f"line {i}") for i in range(3000)])
    until(lambda: it.status().get("backlog_bytes", 0) > 2000 * len("line 1000"))
    server.heal()
    until(lambda: len(it.predictions) == 3000)
    assert it.finish() == 0


def test_a_password_and_tls(bridge, tmp_path, capfd):
    certificate, key = self_signed(tmp_path)
    secret = tmp_path / "password"
    secret.write_text("s3cret!\n")
    with Mosquitto(tmp_path / "b", user=("bridge", "s3cret!"), tls=(certificate, key)) as broker:
        tls = {"ca_file": str(certificate)}
        user = {"username": "bridge", "password_file": str(secret)}
        good = bridge(source=source(broker, tls=tls, **user))
        assert check_source(good.config) == [
            f"source {broker.url}: takes site/+/log, alarms/#",
        ]
        good.start()
        until(lambda: broker.subscribed(session_of(good)))
        broker.send([("alarms/x", "line")])
        until(lambda: good.predictions)
        assert good.finish() == 0
        wrong = tmp_path / "wrong"
        wrong.write_text("guess")
        for changed, words in (
            ({"tls": tls, **user, "password_file": str(wrong)}, "refuses the connection"),
            ({"tls": {}, **user}, "TLS: "),
        ):
            with pytest.raises(SourceError, match=words):
                bridge(source=source(broker, **changed)).run()
    assert "s3cret" not in capfd.readouterr().err


def test_a_broker_that_is_away_is_said_by_check_and_waited_for_by_run(bridge, tmp_path):
    port = free_port()
    given = {"address": f"mqtt://127.0.0.1:{port}", "topics": ["#"]}
    it = bridge(source=given)
    with pytest.raises(SourceAway, match="refused"):
        check_source(it.config)
    it.start()
    with Mosquitto(tmp_path / "late", port) as broker:
        until(lambda: broker.subscribed(session_of(it)))
        broker.send([("a", "line")])
        until(lambda: it.predictions)
        assert it.finish() == 0
