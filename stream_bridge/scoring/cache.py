"""Answers already given: keyed by model version and normalised text, dropped when that changes.

Logs repeat themselves, and a model says the same of the same text. The bridge cannot know that a
new version answers while it asks nothing, so every ``refresh_seconds`` one event is asked anyway:
an answer is never older than that after a change of version.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stream_bridge.config.scoring import CacheConfig
from stream_bridge.scoring.cleaning import Normaliser, Rule, normaliser


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """How the cache did: events answered from it, events asked, texts held."""

    hits: int
    misses: int
    entries: int


class AnswerCache:
    """Rows by text, for the version that answered last. For one thread.

    Args:
      config: size and age.
      rules_of: the cleaning rules of a version's card; asked once per change of version.
    """

    def __init__(self, config: CacheConfig, rules_of: Callable[[int], Sequence[Rule]]):
        self._config = config
        self._rules_of = rules_of
        self._clean: Normaliser = normaliser(())
        self._rows: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._asked = 0.0
        self._hits = self._misses = 0
        self.version: int | None = None

    def key(self, text: str) -> bytes:
        """What two texts share that the model cannot tell apart."""
        return hashlib.blake2b(self._clean(text), digest_size=16).digest()

    def get(self, key: bytes) -> dict[str, Any] | None:
        """The row for a key, or None where the model has to be asked."""
        if time.monotonic() - self._asked >= self._config.refresh_seconds:
            # Only one event asks: the answer, when it comes, starts the next period.
            self._asked = time.monotonic()
            self._misses += 1
            return None
        row = self._rows.get(key)
        if row is None:
            self._misses += 1
            return None
        self._hits += 1
        self._rows.move_to_end(key)
        return row

    def put(self, text: str, version: int, row: dict[str, Any]) -> None:
        """Keeps an answer; a version other than before drops all others."""
        if version != self.version:
            self._rows.clear()
            self.version = version
            self._clean = normaliser(self._rules_of(version))
        self._rows[self.key(text)] = row
        if len(self._rows) > self._config.max_entries:
            self._rows.popitem(last=False)

    def shared_calls(self, events: int) -> None:
        """That many events share the call of another one with the same text."""
        self._hits += events

    def counts(self) -> CacheCounts:
        """How it did so far."""
        return CacheCounts(self._hits, self._misses, len(self._rows))
