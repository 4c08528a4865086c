"""The test server itself: what users' tests rely on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from serving_client import Client, InputError, InvalidArgumentError, UnavailableError
from serving_client.testing import FakeServer
from serving_client.testing.fixtures import serving_server  # noqa: F401 - a fixture


def test_the_fixture(serving_server):  # noqa: F811 - pytest's way
    serving_server.add("m", lambda _: {"v": [1]})
    with Client(serving_server.address) as client:
        assert client.predict("m", "x")["v"].tolist() == [1]


def test_the_answer_is_what_a_server_would_send(server, client):
    client.predict("double", [[1, 2, 3]])
    received = server.calls[-1]
    assert received.method == "Predict"
    assert received.model == "double"
    answer = server._answers.Predict(received.request)
    assert list(answer.outputs["y"].float_val) == [2, 4, 6]  # typed fields, no tensor_content
    assert not answer.outputs["y"].tensor_content
    assert answer.model_spec.signature_name == "serving_default"


def test_wrong_input_names_get_the_servers_message(server):
    with (
        Client(server.address, check=False) as client,
        pytest.raises(InvalidArgumentError, match="input size does not match signature: 2!=1"),
    ):
        client.predict("double", {"x": np.ones((1, 3), np.float32), "z": [1]})


def test_a_stopped_server_frees_waiting_calls(server):
    server.delay(60, method="Predict")
    with Client(server.address, check=False) as client:
        future = client.submit("double", {"x": [[1.0, 2.0, 3.0]]}, timeout=1)
        while not any(call.method == "Predict" for call in server.calls):
            pass
        server.stop()
        with pytest.raises(UnavailableError):
            future.result()


def test_mistakes_in_a_test_are_explained():
    server = FakeServer()
    with pytest.raises(InputError, match=r"'float\[' is not a spec"):
        server.add("m", dict, inputs={"x": "float["})
    with pytest.raises(InputError, match="'NOPE' is not a gRPC code"):
        server.fail("NOPE")


def test_a_unix_socket(tmp_path):
    fake = FakeServer()
    fake.add("m", lambda _: {"v": [1]})
    server = grpc.server(ThreadPoolExecutor(4), handlers=fake._handlers())
    server.add_insecure_port(f"unix:{tmp_path}/s")
    server.start()
    with Client(f"unix:{tmp_path}/s") as client:
        assert client.predict("m", "x").version == 1
    server.stop(None).wait()
