"""Several servers: balancing, ejection, hedging, names; all with real connections."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter

import pytest

from serving_client import AsyncClient, Client, Ejection, Hedge, InputError, Tls, UnavailableError
from serving_client.testing import FakeServer


def shout(inputs):
    return {"loud": [text.upper() for text in inputs["text"]]}


@pytest.fixture
def pair():
    with FakeServer() as one, FakeServer() as two:
        for server in (one, two):
            server.add("shout", shout)
        yield one, two


def predicts(server):
    return [call.method for call in server.calls].count("Predict")


def test_calls_are_spread(pair):
    one, two = pair
    with Client([one.address, two.address]) as client:
        for _ in range(20):
            client.predict("shout", "x")
    assert predicts(one) == pytest.approx(10, abs=1)
    assert predicts(two) == pytest.approx(10, abs=1)


def test_a_slow_server_gets_fewer_calls(pair):
    one, two = pair
    one.delay(0.3, method="Predict")
    with Client(f"{one.address},{two.address}", max_in_flight=6) as client:
        for future in [client.submit("shout", "x") for _ in range(60)]:
            future.result()
    assert predicts(two) > 2 * predicts(one)


def test_a_dead_server_costs_no_call(pair):
    one, two = pair
    one.stop()
    records = []
    ejection = Ejection(failures=2, base_seconds=30)
    addresses = [one.address, two.address]
    with Client(addresses, ejection=ejection, hooks=[records.append]) as client:
        for _ in range(20):
            client.predict("shout", "x", timeout=5)
        assert sum(record.attempts - 1 for record in records) <= 3
        assert {record.endpoint for record in records[-10:]} == {two.address}


def test_a_server_that_comes_back_is_used_again(pair):
    one, two = pair
    one.stop()
    with Client(
        [one.address, two.address], ejection=Ejection(failures=1, base_seconds=0.2, max_seconds=0.2)
    ) as client:
        for _ in range(4):
            client.predict("shout", "x")
        one.start()
        deadline = time.monotonic() + 10
        while not predicts(one) and time.monotonic() < deadline:
            client.predict("shout", "x")
            time.sleep(0.02)
    assert predicts(one)


def test_the_second_attempt_wins_and_the_first_is_cancelled(pair):
    one, two = pair
    records = []
    with Client(
        [one.address, two.address], hedge=Hedge(0.1), check=False, hooks=[records.append]
    ) as client:
        one.delay(20, method="Predict")
        started = time.monotonic()
        for _ in range(4):
            assert client.predict("shout", {"text": ["x"]}, timeout=10).version == 1
        assert time.monotonic() - started < 5
        assert {record.endpoint for record in records} == {two.address}  # who answered
        pending = [endpoint.pending for endpoint in client._operations.engine._balancer._endpoints]
        deadline = time.monotonic() + 5
        while any(pending) and time.monotonic() < deadline:
            time.sleep(0.02)
            pending = [e.pending for e in client._operations.engine._balancer._endpoints]
        assert pending == [0, 0]


def test_both_failing_is_a_failure(pair):
    one, two = pair
    for server in pair:
        server.delay(0.2, method="Predict")
        server.fail("INVALID_ARGUMENT", method="Predict", message="no")
    with (
        Client([one.address, two.address], hedge=Hedge(0.05)) as client,
        pytest.raises(Exception, match="INVALID_ARGUMENT: no"),
    ):
        client.predict("shout", "x")


def test_asyncio_hedges_too(pair):
    one, two = pair

    async def work():
        async with AsyncClient([one.address, two.address], hedge=Hedge(0.1)) as client:
            await client.metadata("shout")
            one.delay(20, method="Predict")
            answers = await asyncio.gather(*(client.predict("shout", "x") for _ in range(6)))
            assert [answer.version for answer in answers] == [1] * 6

    started = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - started < 5


def test_names_are_looked_up():
    with FakeServer() as server:
        server.add("shout", shout)
        port = server.address.rpartition(":")[2]
        with Client(f"dns:///localhost:{port}") as client:
            assert client.predict("shout", "x").version == 1
            assert f"127.0.0.1:{port}" in client._operations.engine.addresses
    with (
        Client("dns:///no-such-host.invalid:8500") as client,
        pytest.raises(UnavailableError, match=r"no-such-host\.invalid cannot be resolved"),
    ):
        client.predict("shout", "x", timeout=0.3)


def test_a_lookup_that_hangs_stays_inside_the_deadline(monkeypatch):
    asked = threading.Event()
    answer = threading.Event()

    def hang(*_, **__):
        asked.set()
        answer.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with Client("dns:///slow.example:8500") as client:
            started = time.monotonic()
            with pytest.raises(UnavailableError, match="was not resolved in time"):
                client.predict("shout", "x", timeout=0.3)
            assert time.monotonic() - started < 5
        assert asked.is_set()
    finally:
        answer.set()


def test_a_lookup_that_hangs_does_not_hide_why_the_ones_before_failed(monkeypatch):
    answer = threading.Event()
    answers = iter([socket.gaierror(socket.EAI_NONAME, "Name or service not known")])

    def look_up(*_, **__):
        for error in answers:
            raise error
        answer.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        with (
            Client("dns:///gone.example:8500") as client,
            pytest.raises(UnavailableError, match=r"gone\.example cannot be resolved"),
        ):
            client.predict("shout", "x", timeout=0.5)
    finally:
        answer.set()


def test_a_name_that_is_lost_or_moves_costs_no_call(pair, monkeypatch):
    one, two = pair
    ports = {"x": one.address.rpartition(":")[2]}
    looked_up = []

    def look_up(host, port, **_):
        looked_up.append(host)
        if "x" not in ports:
            raise OSError("the name server is away")
        return [(socket.AF_INET, 0, 0, "", ("127.0.0.1", int(ports["x"])))]

    entered, gate = threading.Event(), threading.Event()

    def wait(inputs):
        entered.set()
        gate.wait(20)
        return shout(inputs)

    one.add("gate", wait)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with Client("dns:///models.example:8500") as client:
        engine = client._operations.engine
        assert client.predict("shout", "x").version == 1
        gone = ports.pop("x")
        engine._resolved_at = float("-inf")
        for _ in range(3):
            assert client.predict("shout", "x").version == 1
        assert len(looked_up) == 2  # not once for each call
        under_way = client.submit("gate", "slow")
        assert entered.wait(20)
        ports["x"] = two.address.rpartition(":")[2]
        engine._resolved_at = float("-inf")
        client.predict("shout", "x")
        assert engine.addresses == (two.address,)
        assert client._transport._connections.keys() == {f"127.0.0.1:{gone}", two.address}
        gate.set()
        assert under_way.result().version == 1
        engine._resolved_at = float("-inf")
        client.predict("shout", "x")  # its last call is over: the old connection is closed
        assert client._transport._connections.keys() == {two.address}
    assert predicts(one) == 5


def test_asyncio_follows_names_too(pair, monkeypatch):
    one, two = pair
    where = [one]

    async def work():
        async with AsyncClient("dns:///models.example:8500") as client:

            async def look_up(host, port, **_):
                port = int(where[0].address.rpartition(":")[2])
                return [(socket.AF_INET, 0, 0, "", ("127.0.0.1", port))]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
            await client.predict("shout", "x")
            where[0] = two
            client._operations.engine._resolved_at = float("-inf")
            await client.predict("shout", "x")
            assert client._transport._channels.keys() == {two.address}

            async def hang(*_, **__):
                await asyncio.sleep(30)

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
            client._operations.engine._resolved_at = float("-inf")
            started = time.monotonic()
            await client.predict("shout", "x")
            assert time.monotonic() - started < 10

    asyncio.run(work())
    assert (predicts(one), predicts(two)) == (1, 2)


def test_restarts_lose_no_call():
    failures = Counter()
    done = Counter()
    stop = threading.Event()
    with FakeServer(max_workers=64) as server, Client(server.address, timeout=10) as client:
        server.add("shout", shout)
        client.wait_until_ready("shout")

        def work():
            while not stop.is_set():
                try:
                    client.predict("shout", "x")
                    done["ok"] += 1
                except Exception as error:
                    failures[str(error)] += 1

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            time.sleep(0.1)
            server.restart()
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert done["ok"] > 100


def test_certificates_must_come_in_pairs():
    with pytest.raises(InputError, match="go together"):
        Tls(client_certificate=b"-----BEGIN CERTIFICATE-----")


def test_what_is_no_pem_is_named_and_not_shown():
    for settings, name in (
        ({"root_certificates": "SECRET.pem"}, "root_certificates"),
        ({"client_certificate": b"SECRET", "client_key": b"SECRET"}, "client_certificate"),
        ({"client_key": b"-----BEGIN CERTIFICATE-----SECRET"}, r"client_key .*private key"),
    ):
        with pytest.raises(InputError, match=rf"tls\.{name}") as caught:
            Tls(**settings)
        assert "SECRET" not in str(caught.value)
