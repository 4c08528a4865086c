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
