"""Headers and other secrets: what goes out with which call, and what is never shown."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from serving_client import AsyncClient, Client, InputError, ServerConfig
from serving_client.examples import from_example
from serving_client.testing import FakeServer

WRONG = [
    {"authorization": "Bearer SECRET\n"},
    {"authorization": "SECRET é"},
    {"authorization": b"SECRET"},
    {"authorization": ["SECRET"]},
    {"two words": "SECRET"},
]


@pytest.fixture(scope="module")
def served():
    with FakeServer(rest=True) as server:
        server.add("m", lambda i: {"o": i["text"]}, outputs={"o": "string[?]"})
        examples = {"inputs": "string[?]"}
        for signature, function in (
            ("classify", lambda i: {"scores": [[1.0]] * len(i["inputs"])}),
            ("regress", lambda i: {"outputs": [len(from_example(x)) for x in i["inputs"]]}),
        ):
            server.add("e", function, signature=signature, inputs=examples, method=signature)
        yield server


@pytest.mark.parametrize("headers", WRONG, ids=str)
@pytest.mark.parametrize("rest", [False, True])
@pytest.mark.parametrize("given", ["call", "client", "function"])
def test_a_wrong_header_is_named_and_its_value_shown_nowhere(served, headers, rest, given):
    address = served.rest_address if rest else served.address
    settings = {"client": {"headers": headers}, "function": {"headers": lambda: headers}}
    own = headers if given == "call" else None

    async def awaited():
        async with AsyncClient(address, **settings.get(given, {})) as client:
            await client.predict("m", "x", headers=own)

    def blocking():
        with Client(address, **settings.get(given, {})) as client:
            client.predict("m", "x", headers=own)

    for work in (blocking, lambda: asyncio.run(awaited())):
        with pytest.raises(InputError, match="header") as caught:
            work()
        shown = "".join(traceback.format_exception(caught.value))
        assert "SECRET" not in shown


def test_every_call_can_have_headers_of_its_own(served):
    mine = {"Authorization": "Bearer mine"}

    async def ask(client, wait):
        config = ServerConfig()
        await wait(client.predict("m", "x", headers=mine))
        await wait(client.classify("e", {"a": 1}, signature="classify", headers=mine))
        await wait(client.regress("e", {"a": 1}, signature="regress", headers=mine))
        await wait(client.multi_inference("e", {"a": 1}, {"regress": "regress"}, headers=mine))
        await wait(client.metadata("m", headers=mine))
        await wait(client.status("m", headers=mine))
        await wait(client.is_ready("m", headers=mine))
        await wait(client.wait_until_ready("m", headers=mine))
        await wait(client.health(headers=mine))
        with pytest.raises(InputError, match="no name of a header"):
            await wait(client.reload(config, headers={"": ""}))

    async def given(value):
        return value

    async def awaited():
        async with AsyncClient(served.address, headers={"authorization": "theirs"}) as client:
            await ask(client, lambda work: work)
            async for _ in client.predict_many("m", ["x"], headers=mine):
                pass

    served.calls.clear()
    asyncio.run(awaited())
    there = len(served.calls)
    # Predict asks for the model's metadata first, with the same right to ask.
    assert served.calls[0].method == "GetModelMetadata"
    with Client(served.address, headers={"authorization": "theirs"}) as client:
        asyncio.run(ask(client, given))
        list(client.predict_many("m", ["x"], headers=mine))
    assert len(served.calls) == 2 * there >= 22
    assert {call.headers["authorization"] for call in served.calls} == {"Bearer mine"}


def test_an_address_with_a_password_is_refused_without_showing_it():
    address = "https://someone:{}@models.example".format("SECRET")
    with pytest.raises(InputError, match="user or a password") as caught:
        Client(address)
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))
