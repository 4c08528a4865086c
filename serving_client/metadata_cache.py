"""Which version answers which request, and the metadata of each version seen. Safe across threads.

A fixed version's metadata never changes. "The latest" and labels move: every answer tells the
version behind them, and an entry for another version is no longer used.
"""

from __future__ import annotations

import time

from serving_client.calls import Target
from serving_client.metadata import ModelMetadata

_FRESH_SECONDS = 1.0


class MetadataCache:
    """Metadata by model and version; each step is one atomic operation on a dict."""

    def __init__(self) -> None:
        self._by_version: dict[tuple[str, int], ModelMetadata] = {}
        self._current: dict[tuple[str, str | None], int] = {}
        self._asked_at: dict[tuple[str, str | None], float] = {}
        self.has_none = False  # the server offers no metadata at all

    def get(self, target: Target) -> ModelMetadata | None:
        """The metadata a request to `target` should be checked against, if known."""
        version = target.version
        if version is None:
            version = self._current.get((target.model, target.label))
            if version is None:
                return None
        return self._by_version.get((target.model, version))

    def put(self, target: Target, found: ModelMetadata) -> None:
        """Remember an answer of the server."""
        self._by_version[(target.model, found.version)] = found
        if target.version is None:
            alias = (target.model, target.label)
            self._current[alias] = found.version
            self._asked_at[alias] = time.monotonic()

    def answered(self, target: Target, version: int | None) -> None:
        """`version` answered a request to `target`."""
        if target.version is None and version is not None:
            self._current[(target.model, target.label)] = version

    def forget_current(self) -> None:
        """Latest versions and labels may have moved."""
        self._current.clear()

    def is_fresh(self, target: Target) -> bool:
        """Whether the server was asked about `target` a moment ago."""
        asked = self._asked_at.get((target.model, target.label), float("-inf"))
        return time.monotonic() - asked < _FRESH_SECONDS
