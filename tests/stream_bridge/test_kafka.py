"""Kafka on a real broker: nothing is lost, and in a transaction nothing is repeated."""

import json
import signal
import subprocess
import sys
import time

import pytest

from examples.services.kafka import Kafka
from examples.services.process import until
from stream_bridge.ends_check import check_source
from stream_bridge.errors import SourceError
from tests.stream_bridge.certificates import self_signed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kafka")
    tls = self_signed(folder)
    with Kafka(folder / "broker", tls=tls, user=("bridge", "s3cret!")) as kafka:
        kafka.certificate = tls[0]
        yield kafka


@pytest.fixture
def certificate(broker):
    """What a client has to trust."""
    return broker.certificate


@pytest.fixture
def topics(broker, request):
    """Topics `in`, `out` and `dead` of this test's own; a function gives their addresses."""
    prefix = request.node.name.replace("[", "-").strip("]")

    def make(name, partitions=1, **config):
        return broker.topic(f"{prefix}-{name}", partitions, **config)

    return make


@pytest.fixture
def group(request):
    """A group of this test's own: a group remembers its members for a while."""
    return request.node.name


def name_of(address):
    return address.rpartition("/")[2]


def kafka_sinks(topics, **more):
    return {
        "predictions": {"address": topics("out", 2), "take": "predictions", **more},
        "dead": {"address": topics("dead"), "take": "dead_letters", **more},
    }


def ids(messages):
    return [json.loads(message.value())["event_id"] for message in messages]


def test_a_topic_is_scored_with_keys_headers_and_broker_times(bridge, broker, topics, group):
    address = topics("in", 3)
    topic = name_of(address)
    broker.send(
        topic,
        [(f"host-{i % 5}", f"line {i}") for i in range(300)],
        headers={"origin": "test"},
        timestamp=1_767_607_200_000,
    )
    broker.send(topic, [("gone", None), (None, b"\xff\xfe")])
    it = bridge(source={"address": address, "group": group, "until_end": True})
    assert it.run() == 0
    assert it.said[-1].startswith("read 302 = predicted 300 + dead 1 + skipped 1")
    first = it.predictions[0]
    assert first["event_time"] == "2026-01-05T10:00:00.000000Z"
    assert first["attributes"] == {"origin": "test"}
    assert first["key"].startswith("host-")
    assert first["source"] == f"kafka:{topic}"
    assert {p["event_id"] for p in it.predictions} <= {
        f"{topic}/{partition}/{offset}" for partition in range(3) for offset in range(302)
    }
    assert it.dead[0]["code"] == "UNDECODABLE"
    assert sum(offset for offset in broker.offsets(group, topic).values()) == 302
    again = bridge(source={"address": address, "group": group, "until_end": True})
    assert again.run() == 0
    assert again.said[-1].startswith("read 0 =")
    assert again.run(from_start=True) == 0
    assert again.said[-1].startswith("read 302 =")


def test_where_a_new_group_begins(bridge, broker, topics, group, tmp_path):
    address = topics("in")
    topic = name_of(address)
    broker.send(topic, ["old"], timestamp=1_700_000_000_000)
    broker.send(topic, ["new"], timestamp=1_750_000_000_000)

    def texts(group, start):
        (tmp_path / "out.jsonl").unlink(missing_ok=True)
        it = bridge(source={"address": address, "group": group, "start": start, "until_end": True})
        assert it.run() == 0
        return [prediction["text"] for prediction in it.predictions]

    assert texts("a", "earliest") == ["old", "new"]
    assert texts("b", "2024-01-01T00:00:00Z") == ["new"]
    assert texts("c", "latest") == []
    broker.send(topic, ["later"])
    assert texts("c", "latest") == ["later"]


def test_partitions_are_found_and_shared_while_running(
    bridge, broker, topics, group, tmp_path, server
):
    from tests.stream_bridge.conftest import Bridge

    address = topics("in", 2)
    topic = name_of(address)
    source = {"address": address, "group": group, "discover_seconds": 0.5}
    first = bridge(source=source).start()
    broker.send(topic, [f"a{i}" for i in range(50)])
    until(lambda: len(first.predictions) == 50)
    broker.add_partitions(topic, 4)
    for partition in (2, 3):
        broker.send(topic, [f"b{partition}-{i}" for i in range(25)], partition=partition)
    until(lambda: len(first.predictions) == 100)
    (tmp_path / "second").mkdir()
    second = Bridge(tmp_path / "second", server, source=source).spawn()
    try:
        round_ = 0
        while not second.predictions:
            assert round_ < 100, second.status()
            for partition in range(4):
                broker.send(topic, [f"c{round_}-{partition}"], partition=partition)
            round_ += 1
            time.sleep(0.2)
        sent = 100 + 4 * round_
        until(lambda: len({p["event_id"] for p in first.predictions + second.predictions}) == sent)
    finally:
        assert second.kill(signal.SIGTERM)[0] == 0
        assert first.finish() == 0


def test_aborted_transactions_are_left_out(bridge, broker, topics, group):
    from confluent_kafka import Producer

    address = topics("in")
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": "writer"})
    producer.init_transactions(30)
    for number in range(6):
        producer.begin_transaction()
        producer.produce(name_of(address), f"line {number}")
        producer.flush(10)
        producer.abort_transaction() if number % 3 == 2 else producer.commit_transaction()
    committed = bridge(source={"address": address, "group": group, "until_end": True})
    assert committed.run() == 0
    assert [p["text"] for p in committed.predictions] == [f"line {n}" for n in (0, 1, 3, 4)]


@pytest.mark.parametrize("transactional", ["auto", "never"])
def test_the_bridge_is_killed_and_started_again(
    bridge, broker, topics, group, server, transactional
):
    address, sinks = topics("in", 2), kafka_sinks(topics, transactional=transactional)
    out = name_of(sinks["predictions"]["address"])
    broker.send(name_of(address), [f"line {i}" for i in range(3000)])
    server.delay(0.01, method="Predict")
    source = {"address": address, "group": group, "until_end": True}
    settings = {"source": source, "sinks": sinks, "batching": {"commit_seconds": 0.1}}
    for progress in (200, 800):
        killed = bridge(**settings).spawn()
        until(lambda least=progress: len(broker.messages(out)) > least)
        killed.kill()
    server.heal()
    rest = bridge(**settings)
    assert rest.run() == 0
    found = ids(broker.messages(out))
    assert len(set(found)) == 3000
    if transactional == "auto":
        assert len(found) == 3000


@pytest.mark.parametrize("transactional", ["auto", "never"])
def test_the_broker_is_killed_and_started_again(bridge, broker, topics, group, transactional):
    address, sinks = topics("in", 2), kafka_sinks(topics, transactional=transactional)
    out = name_of(sinks["predictions"]["address"])
    broker.send(name_of(address), [f"line {i}" for i in range(1000)])
    it = bridge(source={"address": address, "group": group}, sinks=sinks).start()
    until(lambda: len(broker.messages(out)) >= 1000)
    broker.send(name_of(address), [f"line {i}" for i in range(1000, 1500)])
    broker.kill()
    broker.start()
    broker.send(name_of(address), [f"line {i}" for i in range(1500, 2000)])
    until(lambda: len(set(ids(broker.messages(out)))) == 2000)
    assert it.finish() == 0
    assert it.dead == []
    # The producer is idempotent: the broker's death repeats nothing either.
    assert len(ids(broker.messages(out))) == 2000


def test_sigterm_drains_and_commits(bridge, broker, topics, group):
    address, sinks = topics("in"), kafka_sinks(topics)
    out = name_of(sinks["predictions"]["address"])
    it = bridge(source={"address": address, "group": group}, sinks=sinks).spawn()
    broker.send(name_of(address), [f"line {i}" for i in range(500)])
    until(lambda: len(broker.messages(out)) > 0)
    code, said, errors = it.kill(signal.SIGTERM)
    assert code == 0, errors
    assert "handed back" not in said
    done = len(broker.messages(out))
    assert broker.offsets(group, name_of(address)) == {0: done}


_CLOSED_BEFORE_READ = """
import sys, threading, time
from stream_bridge.config.kafka import KafkaSource
from stream_bridge.sources.kafka import KafkaReader
config = KafkaSource(address=sys.argv[1], group=sys.argv[2])
reader = KafkaReader(config, 1000, "instance", None, threading.Event())
time.sleep(4)  # in which the group gives it its partitions
reader.close()
"""


def test_a_reader_is_closed_that_never_took_its_partitions(broker, topics, group):
    # In a process of its own: where this went wrong, no thread of Python went on.
    command = [sys.executable, "-c", _CLOSED_BEFORE_READ, topics("in"), group]
    subprocess.run(command, check=True, timeout=30)


def test_tls_and_a_password(bridge, broker, topics, group, tmp_path, certificate, capfd):
    plain, out = topics("in"), topics("out")
    broker.send(name_of(plain), ["line 1", "line 2"])
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("s3cret!\n")
    wrong.write_text("gue55\n")

    def there(address, password, **tls):
        sasl = {"mechanism": "PLAIN", "username": "bridge", "password_file": str(password)}
        address = f"kafka://{broker.secure_address}/{name_of(address)}"
        return {"address": address, "tls": {"ca_file": str(certificate), **tls}, "sasl": sasl}

    sinks = {"out": {**there(out, secret), "take": "predictions"}}
    it = bridge(source={**there(plain, secret), "group": group, "until_end": True}, sinks=sinks)
    assert check_source(it.config)[0].endswith(f"1 partitions, group {group}")
    assert it.run() == 0
    assert len(broker.messages(name_of(out))) == 2
    for source in (there(plain, wrong), there(plain, secret, ca_file=None)):
        with pytest.raises(SourceError, match=r"correct source\.tls or source\.sasl"):
            bridge(source=source).run()
    said = capfd.readouterr()
    assert "s3cret" not in said.err + said.out
    assert "gue55" not in said.err + said.out


def test_a_compacted_topic_has_gaps_and_tombstones(bridge, broker, topics, group):
    address = topics(
        "in",
        cleanup_policy="compact",
        min_cleanable_dirty_ratio="0.01",
        segment_ms="100",
        max_compaction_lag_ms="200",
        delete_retention_ms="60000",
    )
    topic = name_of(address)
    broker.send(topic, [("a", "a1"), ("b", "b1"), ("a", "a2"), ("b", None)])

    def compacted():
        # A new segment makes the cleaner look at those before.
        broker.send(topic, [("turn", "x")])
        return "a1" not in [(m.value() or b"").decode() for m in broker.messages(topic)]

    until(compacted, 90)
    it = bridge(source={"address": address, "group": group, "until_end": True})
    assert it.run() == 0
    texts = {p["text"] for p in it.predictions}
    assert "a2" in texts
    assert not texts & {"a1", "b1"}
    assert " + skipped 1;" in it.said[-1]


def test_a_topic_that_is_not_there_is_one_line(bridge, broker):
    it = bridge(source={"address": f"kafka://{broker.address}/nothing"})
    with pytest.raises(SourceError, match="create the topic"):
        it.run()
