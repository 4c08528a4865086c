"""Where results go, chosen by address."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Tag

from stream_bridge.config.base import Frozen, scheme_of


class JsonLinesSink(Frozen):
    """``jsonl:PATH``: JSON lines, appended; each batch is on disk before its position moves.

    Attributes:
      take: ``predictions`` (all of them), ``alerts`` or ``dead_letters``.
    """

    address: str
    take: Literal["predictions", "alerts", "dead_letters"]

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.address.partition(":")[2])


SinkConfig = Annotated[
    Annotated[JsonLinesSink, Tag("jsonl")],
    Discriminator(
        scheme_of,
        custom_error_type="sink_address",
        custom_error_message="address must start with jsonl:",
    ),
]
