"""predict_many and submit: order, bounds, batches of like length, the failing item alone."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from serving_client import (
    AsyncClient,
    Client,
    FailedPreconditionError,
    InputError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    ResponseError,
)
from serving_client.tensors import from_proto
from serving_client.testing import FakeServer


def picky(inputs):
    if b"bad" in inputs["text"].tolist():
        raise InvalidArgumentError("a bad row")
    return {"n": [len(text) for text in inputs["text"]], "t": inputs["text"]}


@pytest.fixture
def picky_server(server):
    server.add("picky", picky, outputs={"n": "int32[?]", "t": "string[?]"})
    return server


def batches(server):
    return [
        from_proto(call.request.inputs["text"]).tolist()
        for call in server.calls
        if call.method == "Predict"
    ]


def test_rows_come_in_order_from_length_sorted_batches(client, picky_server):
    texts = ["x" * (i * 37 % 50) for i in range(100)]
    rows = list(client.predict_many("picky", texts, batch_size=8, in_flight=3))
    assert [row.index for row in rows] == list(range(100))
    assert [row.item for row in rows] == texts
    assert [row["n"] for row in rows] == [len(text) for text in texts]
    assert rows[3].text("t") == texts[3]
    assert rows[0].version == 1
    sent = batches(picky_server)
    assert max(len(batch) for batch in sent) == 8
    assert all(len(batch[0]) - len(batch[-1]) <= 8 for batch in sent)


def test_a_failing_item_fails_alone(client, picky_server):
    texts = ["ok"] * 20 + ["bad"] + ["fine"] * 20
    rows = list(client.predict_many("picky", texts, batch_size=16))
    assert [row.index for row in rows if row.error] == [20]
    with pytest.raises(InvalidArgumentError, match="a bad row"):
        rows[20]["n"]
    assert [row["n"] for row in rows if not row.error] == [2] * 20 + [4] * 20
    assert list(client.predict_many("picky", ["ok", 7]))[1].error.code == "INVALID_ARGUMENT"


def test_a_batch_over_a_size_limit_is_cut(client, picky_server):
    def narrow(inputs):
        if sum(map(len, inputs["text"])) > 40:
            raise ResourceExhaustedError("Received message larger than max (99 vs. 40)")
        return {"n": [len(text) for text in inputs["text"]]}

    picky_server.add("narrow", narrow, outputs={"n": "int32[?]"})
    texts = ["x" * 9] * 10 + ["y" * 50]
    rows = list(client.predict_many("narrow", texts))
    assert [row.index for row in rows if row.error] == [10]
    assert [row["n"] for row in rows[:10]] == [9] * 10


def test_what_is_no_items_fault_is_raised(client):
    with pytest.raises(NotFoundError):
        list(client.predict_many("nope", ["a"] * 100))
    with pytest.raises(InputError, match="batch_size"):
        client.predict_many("shout", ["a"], batch_size=0)


def test_reading_is_bounded(client, picky_server):
    read = []

    def source():
        for i in range(10_000):
            read.append(i)
            yield "text"

    rows = client.predict_many("picky", source(), batch_size=4, in_flight=2)
    next(rows)
    assert len(read) <= 2 * 8 * 4 * 2
    rows.close()
    assert len(read) <= 2 * 8 * 4 * 2


def test_vectors_and_dicts_are_batched_by_shape(client, server):
    server.add("any", lambda i: {"s": i["x"].sum(axis=1)}, inputs={"x": "float[?,?]"})
    items = [np.ones(n % 3 + 1, np.float32) for n in range(12)]
    rows = list(client.predict_many("any", items, batch_size=4))
    assert [row["s"] for row in rows] == [n % 3 + 1 for n in range(12)]
    rows = list(client.predict_many("any", [{"x": [1.0] * (n + 1)} for n in range(3)]))
    assert [row["s"] for row in rows] == [1, 2, 3]
    mixed = list(client.predict_many("any", [{"x": [1.0]}, {"y": [1.0]}]))
    assert [row.error is None for row in mixed] == [True, False]


def test_an_output_without_a_batch_is_an_error(client, server):
    server.add("scalar", lambda _: {"s": 1.0})
    with pytest.raises(ResponseError, match=r"shape \[\] for 1 examples"):
        next(client.predict_many("scalar", ["a"]))


def test_submit_gives_futures(client, server):
    server.delay(0.3, method="Predict")
    started = time.monotonic()
    futures = [client.submit("shout", str(i)) for i in range(16)]
    assert [future.result().text("loud") for future in futures] == [[str(i)] for i in range(16)]
    assert time.monotonic() - started < 3
    with pytest.raises(NotFoundError):
        client.submit("nope", "x").result()
    client.close()
    with pytest.raises(FailedPreconditionError):
        client.submit("shout", "x")


def test_asyncio(picky_server):
    async def work():
        async with AsyncClient(picky_server.address, timeout=10) as client:
            assert (await client.wait_until_ready("picky")).version == 1
            assert await client.is_ready("picky")
            answers = await asyncio.gather(*(client.predict("shout", str(i)) for i in range(50)))
            assert [a.text("loud") for a in answers] == [[str(i)] for i in range(50)]
            texts = ["x" * (i % 7) for i in range(200)] + ["bad"]
            rows = [r async for r in client.predict_many("picky", texts, batch_size=8)]
            assert [r.item for r in rows] == texts
            assert [r.index for r in rows if r.error] == [200]
            assert (await client.metadata("shout")).version == 2
            assert (await client.status("shout"))[0].available
            assert await client.health() == "SERVING"
            with pytest.raises(NotFoundError):
                await client.predict("nope", "x")
            with pytest.raises(InputError):
                await client.predict("shout", [1])
            picky_server.fail("UNAVAILABLE", method="Predict", times=2)
            assert (await client.predict("shout", "x")).version == 2
            picky_server.restart()
            assert (await client.predict("shout", "x")).version == 2
            stopped_early = client.predict_many("picky", texts, batch_size=2)
            async for _ in stopped_early:
                break
            await stopped_early.aclose()
        with pytest.raises(FailedPreconditionError):
            await client.predict("shout", "x")

    asyncio.run(work())


def test_asyncio_reads_asynchronous_sources(picky_server):
    async def source():
        for number in range(70):
            await asyncio.sleep(0)
            yield "x" * number

    async def work():
        async with AsyncClient(picky_server.address) as client:
            many = client.predict_many("picky", source(), batch_size=4, in_flight=2)
            return [row["n"] async for row in many]

    assert asyncio.run(work()) == list(range(70))


def test_leaving_early_does_not_wait_for_a_slow_server(client, picky_server):
    rows = client.predict_many("picky", ["x"] * 100, batch_size=1, in_flight=4)
    next(rows)
    picky_server.delay(8, method="Predict")
    next(rows)
    started = time.monotonic()
    rows.close()
    assert time.monotonic() - started < 4


def test_asyncio_cancellation_reaches_the_server(server):
    async def work():
        server.delay(20, method="Predict")
        async with AsyncClient(server.address) as client:
            task = asyncio.ensure_future(client.predict("shout", "x"))
            while not any(call.method == "Predict" for call in server.calls):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            server.heal()
            assert (await client.predict("shout", "x")).version == 2

    asyncio.run(work())


@pytest.mark.parametrize("rest", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_closing_cuts_off_calls_under_way(rest, asynchronous):
    async def awaited(address):
        client = AsyncClient(address)
        await client.status("shout")
        call = asyncio.ensure_future(client.predict("shout", {"text": ["x"]}))
        while not any(each.method == "Predict" for each in server.calls):
            await asyncio.sleep(0.01)
        await client.close()
        with pytest.raises(FailedPreconditionError, match="closed"):
            await call

    def blocking(address):
        client = Client(address)
        call = client.submit("shout", {"text": ["x"]})
        while not any(each.method == "Predict" for each in server.calls):
            time.sleep(0.01)
        client.close()
        with pytest.raises(FailedPreconditionError, match="closed"):
            call.result()

    with FakeServer(rest=True) as server:
        server.add("shout", lambda i: {"loud": i["text"]}, outputs={"loud": "string[?]"})
        server.delay(20, method="Predict")
        address = server.rest_address if rest else server.address
        started = time.monotonic()
        if asynchronous:
            asyncio.run(asyncio.wait_for(awaited(address), 15))
        else:
            blocking(address)
        assert time.monotonic() - started < 10


def test_asyncio_slots(server):
    async def work():
        server.delay(0.5, method="Predict", times=1)
        async with AsyncClient(server.address, max_in_flight=1, check=False) as client:
            first = asyncio.ensure_future(client.predict("shout", {"text": ["a"]}))
            await asyncio.sleep(0.05)
            with pytest.raises(Exception, match="max_in_flight"):
                await client.predict("shout", {"text": ["a"]}, timeout=0.1)
            await first

    asyncio.run(work())


def test_both_clients_have_the_same_methods():
    public = {name for name in dir(Client) if not name.startswith("_")} - {"submit"}
    assert public == {name for name in dir(AsyncClient) if not name.startswith("_")}
