"""The client against a real gRPC server: answers, checks, errors, deadlines, restarts."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import serving_client
from serving_client import (
    Client,
    DeadlineExceededError,
    FailedPreconditionError,
    Hedge,
    InputError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    Retry,
    ServingError,
    UnavailableError,
)


def test_text_in_numpy_out(client):
    answer = client.predict("shout", ["hey", b"you"])
    assert answer["loud"].tolist() == [b"HEY", b"YOU"]
    assert answer.text("loud") == ["HEY", "YOU"]
    assert (answer.model, answer.version, answer.signature) == ("shout", 2, "serving_default")
    assert list(answer) == ["loud"]
    assert client.predict("shout", "one").text("loud") == ["ONE"]
    assert client.predict("shout", {"text": np.array(["a"])}).text("loud") == ["A"]
    with pytest.raises(KeyError, match="no output 'quiet'; there are loud"):
        answer["quiet"]


def test_numbers_take_the_dtype_of_the_model(client):
    answer = client.predict("double", [[1, 2, 3]])
    assert answer["y"].dtype == np.float32
    assert answer["y"].tolist() == [[2, 4, 6]]
    only = client.predict("double", {"x": np.ones((2, 3), np.float32)}, outputs=["sum"])
    assert list(only) == ["sum"]
    assert only["sum"].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        ("double", np.ones((2, 3)), r"is double, the model wants float"),
        ("double", np.ones(3, np.float32), r"1 dimensions, expected 2 \(x: float\[\?,3\]\)"),
        ("double", {"z": 1}, r"no input is named z; the signature is serving_default\(x: float"),
        ("double", {}, "missing input x"),
        ("double", "text", "must be float"),
        ("shout", [1], "must be string"),
        ("shout", [["a"], ["b", "c"]], "ragged"),
    ],
)
def test_wrong_inputs_are_found_here(client, server, model, inputs, message):
    with pytest.raises(InputError, match=message):
        client.predict(model, inputs)
    assert "Predict" not in [call.method for call in server.calls]


def test_versions_labels_signatures(client, server):
    for version in (1, 2, 3):
        server.add("m", lambda _, v=version: {"v": [v]}, version=version)
    server.add("m", lambda _: {"e": [0.5]}, version=3, signature="embed")
    server.set_label("m", "stable", 1)
    assert client.predict("m", "x").version == 3
    assert client.predict("m", "x", version=2)["v"].tolist() == [2]
    assert client.predict("m", "x", label="stable").version == 1
    assert client.predict("m", "x", signature="embed").signature == "embed"
    with pytest.raises(InputError, match="has no signature 'nope'; it has embed, serving_default"):
        client.predict("m", "x", signature="nope")
    with pytest.raises(InputError, match="not both"):
        client.predict("m", "x", version=1, label="stable")
    with pytest.raises(InvalidArgumentError, match="Unrecognized servable version label: nope"):
        client.predict("m", "x", label="nope")


def test_a_new_version_with_other_inputs_is_followed(client, server):
    client.predict("double", [[1, 2, 3]])
    server.add("double", lambda i: {"n": [len(i["text"])]}, version=9)
    time.sleep(1.1)  # metadata younger than a second is taken as current
    assert client.predict("double", ["now", "text"])["n"].tolist() == [2]


def test_metadata_and_status(client, server):
    metadata = client.metadata("double")
    signature = metadata.signature()
    assert signature.inputs["x"].shape == (None, 3)
    assert str(signature) == "serving_default(x: float[?,3])"
    assert signature.outputs["sum"].dtype == "float"
    server.set_state("double", 2, "END", error_code="NOT_FOUND", error_message="no files")
    first, second = client.status("double")
    assert (first.version, first.failed, first.error_message) == (2, True, "no files")
    assert (second.version, second.available) == (1, True)
    assert [each.version for each in client.status("double", 1)] == [1]
    with pytest.raises(NotFoundError, match="Could not find any versions of model nope"):
        client.status("nope")
    assert client.is_ready("double")
    assert not client.is_ready("nope")


def test_errors_carry_code_endpoint_and_are_typed(client, server):
    with pytest.raises(NotFoundError) as caught:
        client.predict("nope", "x")
    assert caught.value.code == "NOT_FOUND"
    assert caught.value.endpoint == server.address
    assert not caught.value.retryable
    server.fail("INVALID_ARGUMENT", method="Predict", message="bad row")
    started = time.monotonic()
    with pytest.raises(InvalidArgumentError, match="bad row"):
        client.predict("shout", "x")
    assert time.monotonic() - started < 1
    assert [call.method for call in server.calls].count("Predict") == 1


def test_a_failing_model_function_is_an_internal_error(client, server):
    server.add("broken", lambda _: 1 / 0)
    with pytest.raises(ServingError, match="ZeroDivisionError") as caught:
        client.predict("broken", "x")
    assert caught.value.code == "INTERNAL"


def test_retryable_codes_are_retried(client, server):
    for code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"):
        server.fail(code, method="Predict", times=2)
        assert client.predict("shout", "x").version == 2


def test_attempts_are_limited(server):
    server.fail("UNAVAILABLE", method="Predict")
    with (
        Client(server.address, retry=Retry(max_attempts=3)) as client,
        pytest.raises(UnavailableError, match="after 3 attempts") as caught,
    ):
        client.predict("shout", "x")
    assert caught.value.attempts == 3


def test_the_deadline_is_total(client, server):
    server.delay(5, method="Predict")
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        client.predict("shout", "x", timeout=0.3)
    server.heal()
    server.fail("UNAVAILABLE", method="Predict")
    with pytest.raises(UnavailableError):
        client.predict("shout", "x", timeout=0.5)
    assert 0.7 < time.monotonic() - started < 2


def test_a_slow_attempt_is_repeated(server):
    server.delay(5, method="Predict", times=1)
    with Client(server.address, retry=Retry(attempt_timeout_seconds=0.3)) as client:
        assert client.predict("shout", "x").version == 2


def test_a_restart_is_survived(client, server):
    client.predict("shout", "x")
    server.stop()
    threading.Timer(0.7, server.start).start()
    assert client.predict("shout", "x", timeout=10).version == 2


def test_nobody_there_is_one_clear_line(server):
    address = server.address
    server.stop()
    with Client(address) as client, pytest.raises(UnavailableError) as caught:
        client.predict("shout", "x", timeout=0.5)
    assert address in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wait_until_ready(client, server):
    server.set_state("late", 4, "LOADING")
    threading.Timer(0.4, server.add, ("late", lambda _: {"v": [1]}), {"version": 4}).start()
    assert client.wait_until_ready("late", 4, timeout=10).version == 4
    with pytest.raises(DeadlineExceededError, match="Could not find any versions of model nope"):
        client.wait_until_ready("nope", timeout=0.5)
    server.set_state("sick", 1, "END", error_code="NOT_FOUND", error_message="no saved_model.pb")
    with pytest.raises(FailedPreconditionError, match=r"version 1 .* no saved_model\.pb"):
        client.wait_until_ready("sick", timeout=10)
    server.stop()
    with pytest.raises(DeadlineExceededError, match="did not become available"):
        client.wait_until_ready("shout", timeout=0.4)
    threading.Timer(0.4, server.start).start()
    assert client.wait_until_ready("shout", timeout=10).available


def test_large_messages_pass(client, server):
    server.add("size", lambda i: {"back": i["x"]}, inputs={"x": "float[?]"})
    array = np.arange(6_000_000, dtype=np.float32)
    assert np.array_equal(client.predict("size", array)["back"], array)


def test_calls_in_flight_are_limited(server):
    server.delay(1.0, method="Predict")
    with Client(server.address, max_in_flight=1) as client:
        client.metadata("shout")
        busy = threading.Thread(target=client.predict, args=("shout", "x"))
        busy.start()
        while not any(call.method == "Predict" for call in server.calls):
            time.sleep(0.01)
        with pytest.raises(ResourceExhaustedError, match="max_in_flight"):
            client.predict("shout", "x", timeout=0.2)
        busy.join()


def test_unchecked_calls_ask_for_no_metadata(server):
    with Client(server.address, check=False) as client:
        client.predict("shout", {"text": ["a"]})
    assert [call.method for call in server.calls] == ["Predict"]


def test_servers_without_metadata_still_answer(client, server):
    server.fail("UNIMPLEMENTED", method="GetModelMetadata")
    assert client.predict("shout", {"text": ["a"]}).text("loud") == ["A"]
    with pytest.raises(InputError, match="give a dict"):
        client.predict("shout", "a")


def test_headers_go_along_and_stay_out_of_repr(server):
    tokens = iter(["t1", "t2", "t3"])
    with Client(server.address, headers=lambda: {"Authorization": next(tokens)}) as client:
        client.predict("shout", "x", headers={"x-request": "7"})
        assert "t1" not in repr(client)
    assert server.calls[0].headers["authorization"] == "t1"
    assert server.calls[1].headers["authorization"] == "t2"
    assert server.calls[1].headers["x-request"] == "7"


def test_hooks_see_each_call(server):
    records = []
    with Client(server.address, hooks=[records.append, lambda _: 1 / 0], check=False) as client:
        client.predict("shout", {"text": ["a"]})
        with pytest.raises(NotFoundError):
            client.predict("nope", {"text": ["a"]}, version=3)
    good, bad = records
    assert (good.method, good.model, good.version, good.code) == ("Predict", "shout", 2, "OK")
    assert good.attempts == 1
    assert good.request_bytes > 0
    assert good.response_bytes > 0
    assert 0 < good.seconds < 5
    assert (bad.code, bad.version, bad.endpoint) == ("NOT_FOUND", 3, server.address)


@pytest.mark.parametrize("hedge", [None, Hedge(after_seconds=5)])
def test_a_closed_client_says_so(server, hedge):
    client = Client(server.address, hedge=hedge)
    client.predict("shout", "x")
    client.close()
    client.close()
    for ask in (client.predict, client.submit):
        with pytest.raises(FailedPreconditionError, match="closed"):
            ask("shout", "x")


@pytest.mark.parametrize(
    "address",
    [
        "", "localhost", "localhost:x", "localhost:70000", [], "a:1,http://b:2", "[::1", "[::1]",
        "::1:80", "a[b]:80", "http://", "http://h:x", "http://h:70000", "https://h/?x=1",
    ],
)  # fmt: skip
def test_bad_addresses_are_explained(address):
    with pytest.raises(InputError, match="address"):
        Client(address)


@pytest.mark.parametrize("address", ["http-gateway:1,b:2", "[::1]:80", "http://[::1]/prefix"])
def test_unusual_addresses_are_taken(address):
    Client(address).close()


def test_a_version_may_be_a_number_of_numpy(client):
    assert client.predict("shout", "x", version=np.int64(2)).version == 2


def test_no_deadline_is_a_very_late_one(client):
    assert client.predict("shout", "x", timeout=float("inf")).version == 2
    with Client(client._config.addresses, timeout=float("inf")) as patient:
        assert patient.predict("shout", "x").version == 2


def test_bad_settings_are_named():
    for settings, name in (
        ({"timeout": 0}, "timeout"),
        ({"max_in_flight": 0}, "max_in_flight"),
    ):
        with pytest.raises(InputError, match=name):
            Client("localhost:1", **settings)
    with pytest.raises(InputError, match=r"retry\.max_attempts"):
        Retry(max_attempts=0)


def test_exported_names_exist():
    for name in serving_client.__all__:
        assert hasattr(serving_client, name)
