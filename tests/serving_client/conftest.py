"""What the client's tests share."""

from __future__ import annotations

import importlib.util

import pytest


def require(module: str) -> None:
    """Skip where an optional package is absent: the client must pass its suite without it."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


@pytest.fixture(scope="session")
def tf():
    require("tensorflow")
    import tensorflow

    return tensorflow


def shout(inputs):
    return {"loud": [text.upper() for text in inputs["text"]]}


def double(inputs):
    return {"y": inputs["x"] * 2, "sum": inputs["x"].sum(axis=-1)}


@pytest.fixture
def server():
    from serving_client.testing import FakeServer

    with FakeServer() as started:
        started.add("shout", shout, version=2)
        started.add(
            "double",
            double,
            inputs={"x": "float[?,3]"},
            outputs={"y": "float[?,3]", "sum": "float[?]"},
        )
        yield started


@pytest.fixture
def client(server):
    from serving_client import Client

    with Client(server.address, timeout=10) as opened:
        yield opened
