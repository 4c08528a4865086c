"""A source and sinks in memory, for tests: see `stream_bridge.testing`."""

from __future__ import annotations

from stream_bridge.config.base import Frozen
from stream_bridge.config.routing import Routed


class MemorySource(Frozen):
    """``memory:NAME``: lines that a test of this process sends; the run ends with them."""

    address: str


class MemorySink(Routed):
    """``memory:NAME``: outcomes that a test of this process reads."""
