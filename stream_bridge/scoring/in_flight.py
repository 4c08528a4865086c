"""Several calls in flight while more events are collected, in bounded memory and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from stream_bridge.config.scoring import BatchingConfig
from stream_bridge.records import DeadLetter, Event, Prediction
from stream_bridge.scoring.batches import cut_batches
from stream_bridge.scoring.cache import AnswerCache
from stream_bridge.scoring.scorer import Scorer

Scored = list[tuple[Prediction | DeadLetter, Any]]
_Call = tuple[list[int], Future[list[Prediction | DeadLetter]]]


class _Group:
    """Events that were sorted together: what the cache knew of them, and the calls for the rest.

    Texts the model cannot tell apart are asked once.
    """

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        scorer: Scorer,
        cache: AnswerCache | None,
        config: BatchingConfig,
        events: Sequence[Event],
        contexts: Sequence[Any],
    ):
        self._events, self._contexts, self._cache = events, contexts, cache
        self._outcomes: list[Prediction | DeadLetter | None] = [None] * len(events)
        self._same: dict[int, list[int]] = {}
        ask = range(len(events)) if cache is None else self._look_up(scorer, cache)
        self._calls: list[_Call] = []
        for batch in cut_batches(
            [events[i].text for i in ask], config.max_events, config.max_bytes
        ):
            indices = [ask[i] for i in batch]
            call = pool.submit(scorer.score, [events[i] for i in indices])
            self._calls.append((indices, call))

    def _look_up(self, scorer: Scorer, cache: AnswerCache) -> Sequence[int]:
        """Answers what the cache knows; returns the events to ask, one per distinct text."""
        first: dict[bytes, int] = {}
        for index, event in enumerate(self._events):
            key = cache.key(event.text)
            if key in first:
                self._same[first[key]].append(index)
            elif (row := cache.get(key)) is not None and cache.version is not None:
                self._outcomes[index] = scorer.prediction(event, cache.version, row, cached=True)
            else:
                first[key] = index
                self._same[index] = []
        cache.shared_calls(sum(map(len, self._same.values())))
        return list(first.values())

    def ready(self) -> bool:
        return all(call.done() for _, call in self._calls)

    def outcomes(self) -> Scored:
        for indices, call in self._calls:
            for index, outcome in zip(indices, call.result(), strict=True):
                self._outcomes[index] = outcome
                for other in self._same.get(index, ()):
                    self._outcomes[other] = _of_same_text(outcome, self._events[other])
                if self._cache is not None and isinstance(outcome, Prediction):
                    self._cache.put(outcome.event.text, outcome.version, outcome.outputs)
        return list(zip(self._outcomes, self._contexts, strict=True))  # type: ignore[arg-type]


def _of_same_text(outcome: Prediction | DeadLetter, event: Event) -> Prediction | DeadLetter:
    if isinstance(outcome, Prediction):
        waited = (outcome.event.raw.read_at - event.raw.read_at) * 1000
        return replace(outcome, event=event, latency_ms=outcome.latency_ms + waited, cached=True)
    return replace(outcome, event=event, raw=event.raw)


class InFlight:
    """Collects events, keeps ``in_flight`` calls open, and gives outcomes back in event order.

    At most two groups of ``sort_events`` are open: `add` blocks on the older one, which is how
    back-pressure reaches the source. Events whose text the cache knows are not asked.
    """

    def __init__(self, scorer: Scorer, config: BatchingConfig, cache: AnswerCache | None = None):
        self._scorer = scorer
        self._config = config
        self._cache = cache
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
        if not self._events:
            return
        self._groups.append(
            _Group(
                self._pool,
                self._scorer,
                self._cache,
                self._config,
                self._events,
                self._contexts,
            )
        )
        self._events, self._contexts = [], []
