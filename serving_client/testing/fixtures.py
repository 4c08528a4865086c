"""A pytest fixture. In your `conftest.py`:

pytest_plugins = ["serving_client.testing.fixtures"]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving_client.testing.server import FakeServer


@pytest.fixture
def serving_server() -> Iterator[FakeServer]:
    """A started server without models; stopped after the test."""
    with FakeServer() as server:
        yield server
