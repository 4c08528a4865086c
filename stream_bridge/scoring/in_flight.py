"""Several calls in flight while more events are collected, in bounded memory and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from stream_bridge.config import BatchingConfig
from stream_bridge.records import DeadLetter, Event, Prediction
from stream_bridge.scoring.batches import cut_batches
from stream_bridge.scoring.scorer import Scorer

Scored = list[tuple[Prediction | DeadLetter, Any]]


class _Group:
    """Events that were sorted together, and the calls that score them."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        scorer: Scorer,
        config: BatchingConfig,
        events: Sequence[Event],
        contexts: Sequence[Any],
    ):
        self._contexts = contexts
        self._calls: list[tuple[list[int], Future[list[Prediction | DeadLetter]]]] = [
            (batch, pool.submit(scorer.score, [events[i] for i in batch]))
            for batch in cut_batches(
                [event.text for event in events], config.max_events, config.max_bytes
            )
        ]

    def ready(self) -> bool:
        return all(call.done() for _, call in self._calls)

    def outcomes(self) -> Scored:
        scored: list[Any] = [None] * len(self._contexts)
        for batch, call in self._calls:
            for index, outcome in zip(batch, call.result(), strict=True):
                scored[index] = (outcome, self._contexts[index])
        return scored


class InFlight:
    """Collects events, keeps ``in_flight`` calls open, and gives outcomes back in event order.

    At most two groups of ``sort_events`` are open: `add` blocks on the older one, which is how
    back-pressure reaches the source.
    """

    def __init__(self, scorer: Scorer, config: BatchingConfig):
        self._scorer = scorer
        self._config = config
        self._pool = ThreadPoolExecutor(config.in_flight, thread_name_prefix="score")
        self._events: list[Event] = []
        self._contexts: list[Any] = []
        self._groups: deque[_Group] = deque()

    def add(self, event: Event, context: Any) -> Scored:
        """Takes an event (and what its caller wants back with it); returns what is scored."""
        self._events.append(event)
        self._contexts.append(context)
        if len(self._events) < self._config.sort_events:
            return []
        self._send()
        scored: Scored = []
        while self._groups and (len(self._groups) > 1 or self._groups[0].ready()):
            scored += self._groups.popleft().outcomes()
        return scored

    def flush(self) -> Scored:
        """Waits for everything that was added."""
        self._send()
        scored: Scored = []
        while self._groups:
            scored += self._groups.popleft().outcomes()
        return scored

    def discard(self) -> None:
        """Forgets what was added and not returned, when its caller gave up on it."""
        self._events, self._contexts = [], []
        self._groups.clear()

    def close(self) -> None:
        """Ends the threads; waits for open calls."""
        self._pool.shutdown(cancel_futures=True)

    def _send(self) -> None:
        if self._events:
            self._groups.append(
                _Group(self._pool, self._scorer, self._config, self._events, self._contexts)
            )
            self._events, self._contexts = [], []
