"""The same client over REST, against the test server's REST side."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import numpy as np
import pytest

from serving_client import (
    AsyncClient,
    Client,
    DeadlineExceededError,
    FailedPreconditionError,
    Hedge,
    InputError,
    InvalidArgumentError,
    NotFoundError,
    ResponseError,
    Retry,
    ServerConfig,
    ServingError,
    UnavailableError,
    UnimplementedError,
    rest_json,
    services,
)
from serving_client.calls import Call, Target
from serving_client.examples import from_example
from serving_client.testing import FakeServer


def shout(inputs):
    return {"loud": [text.upper() for text in inputs["text"]]}


def both(inputs):
    return {"double": inputs["x"] * 2, "count": np.array(len(inputs["x"]), np.int64)}


@pytest.fixture
def rest_server():
    with FakeServer(rest=True) as server:
        server.add("shout", shout, version=2, outputs={"loud": "string[?]"})
        server.add(
            "both",
            both,
            inputs={"x": "float[?,2]"},
            outputs={"double": "float[?,2]", "count": "int64[]"},
        )
        server.add("bytes", lambda i: {"b_bytes": i["text"]}, outputs={"b_bytes": "string[?]"})
        yield server


@pytest.fixture
def rest(rest_server):
    with Client(rest_server.rest_address, timeout=10) as client:
        yield client


def test_predict(rest, rest_server):
    answer = rest.predict("shout", ["hey", "ünï"])
    assert answer.text("loud") == ["HEY", "üNï"]
    assert (answer.version, answer.signature) == (None, "serving_default")
    assert rest.predict("shout", "one", version=2).version == 2
    answer = rest.predict("both", [[1, 2], [np.nan, np.inf]])
    assert answer["double"].dtype == np.float32
    assert np.array_equal(answer["double"], [[2, 4], [np.nan, np.inf]], equal_nan=True)
    assert answer["count"].shape == ()
    assert answer["count"] == 2
    assert list(rest.predict("both", [[1, 2]], outputs=["count"])) == ["count"]
    rest_server.set_label("shout", "stable", 2)
    assert rest.predict("shout", "x", label="stable").text("loud") == ["X"]


def test_outputs_that_are_not_there(rest, rest_server):
    with pytest.raises(InputError, match="no output is named triple; there are count, double"):
        rest.predict("both", {"x": [[1.0, 2.0]]}, outputs=["double", "triple"])
    rest_server.add("silent", shout)
    with pytest.raises(InvalidArgumentError, match="a client must know the outputs"):
        rest.predict("silent", "x")


def test_bytes_that_are_no_text(rest):
    raw = [b"\xff\x00", "é".encode()]
    assert rest.predict("bytes", raw)["b_bytes"].tolist() == raw


def test_classify_and_regress(rest, rest_server):
    spec = {"inputs": "string[?]"}
    rest_server.add(
        "m",
        lambda i: {"classes": [["a", "b"]] * len(i["inputs"]), "scores": [[0.25, 0.75]]},
        inputs=spec,
        method="classify",
    )
    rest_server.add(
        "m",
        lambda i: {"outputs": [from_example(raw)["x"][0] for raw in i["inputs"]]},
        inputs=spec,
        method="regress",
        signature="regress",
    )
    assert rest.classify("m", {"text": "é", "raw": b"\xff"}).best()[0].label == "b"
    answer = rest.regress("m", [{"x": 1.5}, {}], context={"x": 2.0}, signature="regress")
    assert answer.values.tolist() == [1.5, 2.0]


def test_status_metadata_wait(rest):
    assert rest.wait_until_ready("shout").version == 2
    assert rest.status("shout", 2)[0].available
    assert str(rest.metadata("both").signature()) == "serving_default(x: float[?,2])"


def test_what_rest_does_not_have(rest):
    for call in (
        lambda: rest.reload(ServerConfig()),
        rest.health,
        lambda: rest.multi_inference("m", {"x": 1}, {"a": "classify"}),
    ):
        with pytest.raises(UnimplementedError, match="the REST API has no"):
            call()


def test_errors(rest, rest_server):
    with pytest.raises(NotFoundError, match=r"Latest\(nope\)"):
        rest.predict("nope", "x")
    with pytest.raises(InputError, match="1 dimensions, expected 2"):
        rest.predict("both", [1, 2])
    with pytest.raises(InvalidArgumentError, match="Unrecognized servable version label"):
        rest.predict("shout", "x", label="nope")
    rest_server.add("broken", lambda _: 1 / 0, outputs={"y": "float[?]"})
    with pytest.raises(ServingError, match="ZeroDivisionError"):
        rest.predict("broken", "x")
    rest_server.fail("UNAVAILABLE", method="Predict", times=2)
    assert rest.predict("shout", "x").text("loud") == ["X"]
    rest_server.delay(5, method="Predict", times=1)
    with pytest.raises(DeadlineExceededError):
        rest.predict("shout", "x", timeout=0.3)


def test_a_restart_is_survived(rest, rest_server):
    rest.predict("shout", "x")
    rest_server.restart()
    assert rest.predict("shout", "x").text("loud") == ["X"]
    rest_server.stop()
    with pytest.raises(UnavailableError, match="refused"):
        rest.predict("shout", "x", timeout=0.3)
    threading.Timer(0.3, rest_server.start).start()
    assert rest.predict("shout", "x").text("loud") == ["X"]


def test_connections_are_kept_and_shared(rest, rest_server):
    threads = [
        threading.Thread(target=lambda: [rest.predict("shout", "x") for _ in range(10)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rest_server._rest._open) <= 8
    rest.close()
    with pytest.raises(FailedPreconditionError, match="closed"):
        rest.predict("shout", "x")


def test_one_connection_and_one_attempt_for_calls_in_turn(rest_server):
    records = []
    with Client(rest_server.rest_address, hooks=[records.append]) as client:
        for _ in range(3):
            client.predict("shout", "x")
        assert [record.attempts for record in records] == [1] * 4  # metadata first
        (pool,) = client._transport._exchanges._pools.values()
        assert len(pool._idle) == 1
        rest_server.restart()
        client.predict("shout", "x")  # that the old connection is dead is seen beforehand
    assert records[-1].attempts == 1


def test_an_answer_cut_off_is_a_broken_connection():
    def cut_off(listener):
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=cut_off, args=(listener,))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Client(address, retry=Retry(max_attempts=2)) as client,
            pytest.raises(UnavailableError, match="connection failed"),
        ):
            client.status("m")
        thread.join()


def test_an_answer_that_promises_too_much_takes_no_memory():
    def promise(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000000000000\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=promise, args=(listener,))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Client(address, retry=Retry(max_attempts=1)) as client,
            pytest.raises(UnavailableError, match="connection failed"),
        ):
            client.status("m")
        thread.join()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1"])
def test_an_answer_in_drops_stays_inside_the_deadline(head):
    hung_up = threading.Event()

    def drip(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(head)
            try:
                while not hung_up.wait(0.05):
                    connection.sendall(b".")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = time.monotonic()
        with Client(address) as client, pytest.raises(DeadlineExceededError):
            client.status("m", timeout=0.5)
        assert time.monotonic() - started < 5
        hung_up.set()
        thread.join()


def test_a_slow_answer_is_hedged(rest_server):
    with Client(rest_server.rest_address, hedge=Hedge(0.1)) as client:
        client.metadata("shout")
        rest_server.delay(5, method="Predict", times=1)
        assert client.predict("shout", "x", timeout=3).text("loud") == ["X"]


def test_headers_and_predict_many(rest_server):
    with Client(rest_server.rest_address, headers={"authorization": "t"}) as client:
        rows = list(client.predict_many("shout", ["a", "bb", "c"]))
    assert [row.text("loud") for row in rows] == ["A", "BB", "C"]
    assert rest_server.calls[-1].headers["authorization"] == "t"


def test_asyncio(rest_server):
    async def work():
        async with AsyncClient(rest_server.rest_address, retry=Retry()) as client:
            answers = await asyncio.gather(*(client.predict("shout", str(i)) for i in range(20)))
            assert [a.text("loud") for a in answers] == [[str(i)] for i in range(20)]
            rest_server.delay(20, method="Predict", times=1)
            task = asyncio.ensure_future(client.predict("shout", "x"))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(work())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"outputs": {}}', b"<html>", b"[" * 10_000])
def test_answers_that_make_no_sense(rest, body):
    known = rest.metadata("both").signature()
    request = services.PREDICT.request()
    call = Call(services.PREDICT, request, lambda m: m, Target("both"), known=known)
    if body == b'{"outputs": {}}':
        assert not rest_json.response(call, body).outputs
        return
    with pytest.raises(ResponseError):
        rest_json.response(call, body)


def test_error_bodies_of_all_kinds():
    assert rest_json.error_message(b'{"error": "x"}') == "x"
    assert rest_json.error_message(b"<html>\n  busy</html>") == "<html> busy</html>"
    assert rest_json.error_message(b"") == "no message"


def test_the_path_is_quoted():
    call = Call(services.GET_MODEL_STATUS, None, lambda m: m, Target("a/b:c", label="x y"))
    assert rest_json.request(call).path == "/v1/models/a%2Fb%3Ac/labels/x%20y"
