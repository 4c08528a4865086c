"""REST senders that are slow, cut short, deep, or not text: refused, and others are served."""

import json
import socket
import time

import pytest

OK = {"instances": [[1.0]]}
PATH = "/v1/models/half:predict"


@pytest.fixture(scope="module")
def server(models, start):
    return start(
        "--model_name=half", f"--model_base_path={models}/half", "--rest_api_timeout_in_ms=300"
    )


def connect(server):
    return socket.create_connection(server.rest.split(":"), timeout=20)


def serves(server):
    began = time.monotonic()
    status, text, _ = server.http("POST", PATH, OK)
    assert (status, json.loads(text)) == (200, {"predictions": [[3.5]]})
    return time.monotonic() - began


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"instances": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b'{"a":' * 300_000,
        b"\xff\xfe\xfd",
        b'{"instances": ["\xff"]}',
        b'{"instances": [[1.0]]',
        b'{"instances": [[' + b"9" * 1_000_000 + b"]], }",
        b"\0",
        b"",
    ],
)
def test_bodies_that_are_not_json(server, body):
    status, text, headers = server.http("POST", PATH, body)
    assert (status, headers["Content-Type"]) == (400, "application/json")
    assert len(json.loads(text)["error"]) < 2_000
    serves(server)


def test_what_stands_after_the_object_is_ignored_and_numbers_may_be_infinite(server):
    status, text, _ = server.http("POST", PATH, b'{"instances": [[NaN], [-Infinity]]} and more')
    assert status == 200
    assert "NaN" in text and "-Infinity" in text


@pytest.mark.ours("bounds of a REST request")
def test_slow_senders_do_not_keep_others_out(server):
    slow = [connect(server) for _ in range(1100)]  # more than are taken at once
    try:
        for connection in slow[:1000]:
            try:
                connection.sendall(b"POST /v1/models/half:predict HTTP/1.1\r\nContent-Len")
            except OSError:
                continue  # refused
        assert serves(server) < 10
        assert server.process.poll() is None
    finally:
        for connection in slow:
            connection.close()
    serves(server)


@pytest.mark.parametrize("sent", [10, 0])
def test_a_body_cut_short_gets_no_answer(server, sent):
    with connect(server) as raw:
        head = f"POST {PATH} HTTP/1.1\r\nContent-Length: 100\r\n\r\n"
        raw.sendall(head.encode() + b"x" * sent)
        raw.shutdown(socket.SHUT_WR)
        assert b" 200 " not in raw.recv(100)
    serves(server)


def test_a_run_beyond_the_time_limit(server):
    body = {"signature_name": "spin", "inputs": 200_000}
    status, text, _ = server.http("POST", PATH, body)
    assert status == 504
    assert json.loads(text)["error"].startswith("Timed out waiting for notification")
    serves(server)


def test_names_are_decoded_after_the_path_is_matched(server):
    status, text, _ = server.http("GET", "/v1/models/no%2Fbo%3Ady")
    assert status == 404
    assert json.loads(text)["error"] == "Could not find any versions of model no/bo:dy"


def test_without_the_flag_there_are_no_cors_headers(server):
    for verb, path in (("GET", "/v1/models/half"), ("OPTIONS", "/v1/x")):
        headers = server.http(verb, path, headers={"Origin": "https://here"})[2]
        assert not [name for name in headers if name.startswith("Access-Control")]


def test_metrics_are_not_there_unless_asked_for(server):
    assert server.http("GET", "/monitoring/prometheus/metrics")[0] == 404
