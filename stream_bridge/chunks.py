"""What flows between the steps: lists of lines or outcomes, and how Beam handles them.

Beam weighs elements now and then by encoding them. For lists of a hundred events that costs a
fifth of all that the bridge does, so theirs is estimated.
"""

from __future__ import annotations

import pickle
from typing import Any

from apache_beam import coders

_ABOUT_BYTES = 1024


class Chunk:
    """The type hint of a list of RawLine, or of outcomes."""


class ChunkCoder(coders.Coder):
    """A list by pickle; its size by its length."""

    def encode(self, value: list[Any]) -> bytes:
        """Bytes of a list."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> list[Any]:
        """The list again."""
        return list(pickle.loads(encoded))  # noqa: S301 - between steps of one pipeline

    def estimate_size(self, value: list[Any]) -> int:
        """About how many bytes it would be."""
        return len(value) * _ABOUT_BYTES

    def is_deterministic(self) -> bool:
        """Not used as a key."""
        return False

    def to_type_hint(self) -> type[Chunk]:
        """What it is the coder of."""
        return Chunk


coders.registry.register_coder(Chunk, ChunkCoder)
