"""Several calls in flight while more events are collected, in bounded memory and in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from stream_bridge.config.scoring import BatchingConfig
from stream_bridge.records import DeadLetter, Event, Prediction
from stream_bridge.scoring.answers import Answered
from stream_bridge.scoring.batches import cut_batches
from stream_bridge.scoring.cache import AnswerCache
from stream_bridge.scoring.scorer import Scorer
from stream_bridge.shadow import Copied, Shadow

Scored = list[Prediction | DeadLetter]


@dataclass(frozen=True, slots=True)
class Lane:
    """A model and what is remembered of its answers."""

    scorer: Scorer
    cache: AnswerCache | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    lane: Lane
    indices: list[int]
    answer: Future[list[Answered | DeadLetter]]
    copied: tuple[list[int], Copied] | None

    def ready(self) -> bool:
        return self.answer.done() and (self.copied is None or self.copied[1].ready())


class _Group:
    """Events that were sorted together: what the cache knew of them, and the calls for the rest.

    Texts the model cannot tell apart are asked once.
    """

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        config: BatchingConfig,
        events: Sequence[Event],
        shares: Iterable[tuple[Lane, Sequence[int]]],
        shadow: Shadow | None,
    ):
        self._events = events
        self._outcomes: list[Answered | DeadLetter | None] = [None] * len(events)
        self._same: dict[int, list[int]] = {}
        self._calls: list[_Call] = []
        for lane, share in shares:
            ask = share if lane.cache is None else self._look_up(lane.scorer, lane.cache, share)
            for batch in cut_batches(
                [events[i].text for i in ask], config.max_events, config.max_bytes
            ):
                indices = [ask[i] for i in batch]
                answer = pool.submit(lane.scorer.score, [events[i] for i in indices])
                copied = self._copy(shadow, indices) if shadow and not shadow.splits else None
                self._calls.append(_Call(lane, indices, answer, copied))

    def _copy(self, shadow: Shadow, indices: list[int]) -> tuple[list[int], Copied] | None:
        taken = [i for i in indices if shadow.takes(self._events[i])]
        copied = shadow.copy([self._events[i] for i in taken]) if taken else None
        return (taken, copied) if copied else None

    def _look_up(self, scorer: Scorer, cache: AnswerCache, share: Sequence[int]) -> Sequence[int]:
        """Answers what the cache knows; returns the events to ask, one per distinct text."""
        first: dict[bytes, int] = {}
        same: dict[int, list[int]] = {}
        model, at = scorer.model, time.monotonic()
        for index in share:
            event = self._events[index]
            key = cache.key(event.text)
            if key in first:
                same[first[key]].append(index)
            elif (row := cache.get(key)) is not None and cache.version is not None:
                self._outcomes[index] = Answered(event, model, cache.version, row, at, True)
            else:
                first[key] = index
                same[index] = []
        cache.shared_calls(sum(map(len, same.values())))
        self._same.update(same)
        return list(first.values())

    def ready(self) -> bool:
        return all(call.ready() for call in self._calls)

    def outcomes(self, judge: Callable[[Answered], Prediction]) -> Scored:
        for call in self._calls:
            cache = call.lane.cache
            answers = dict(zip(call.indices, call.answer.result(), strict=True))
            if call.copied:
                taken, copied = call.copied
                for index, shadow in zip(taken, copied.answers(len(taken)), strict=True):
                    answer = answers[index]
                    if isinstance(answer, Answered):
                        answers[index] = answer._replace(shadow=shadow)
            for index, outcome in answers.items():
                self._outcomes[index] = outcome
                for other in self._same.get(index, ()):
                    self._outcomes[other] = _of_same_text(outcome, self._events[other])
                if cache is not None and isinstance(outcome, Answered):
                    cache.put(outcome.event.text, outcome.version, outcome.row)
        return [
            judge(outcome) if isinstance(outcome, Answered) else outcome
            for outcome in self._outcomes
        ]  # type: ignore[misc] - every event stood in one call or in the cache


def _of_same_text(outcome: Answered | DeadLetter, event: Event) -> Answered | DeadLetter:
    if isinstance(outcome, Answered):
        return outcome._replace(event=event, cached=True)
    return replace(outcome, event=event, raw=event.raw)


class InFlight:
    """Collects events, keeps ``in_flight`` calls open, and gives outcomes back in event order.

    At most two groups of ``sort_events`` are open: `add` blocks on the older one, which is how
    back-pressure reaches the source. Events whose text the cache knows are not asked.

    Args:
      lane: the model.
      config: sizes, and how many calls are open at once.
      judge: makes the predictions, in event order.
      shadow: the second model, or None.
      second: what answers its share of a split.
    """

    def __init__(
        self,
        lane: Lane,
        config: BatchingConfig,
        judge: Callable[[Answered], Prediction],
        shadow: Shadow | None = None,
        second: Lane | None = None,
    ):
        self._lane = lane
        self._config = config
        self._judge = judge
        self._shadow = shadow
        self._second = second
        self._pool = ThreadPoolExecutor(config.in_flight, thread_name_prefix="score")
        self._events: list[Event] = []
        self._groups: deque[_Group] = deque()

    def add(self, events: Sequence[Event]) -> Scored:
        """Takes events; returns what is scored."""
        self._events += events
        most = self._config.sort_events
        scored: Scored = []
        while len(self._events) >= most:
            events, self._events = self._events[:most], self._events[most:]
            self._send(events)
            while self._groups and (len(self._groups) > 1 or self._groups[0].ready()):
                scored += self._groups.popleft().outcomes(self._judge)
        return scored

    def flush(self) -> Scored:
        """Waits for everything that was added."""
        if self._events:
            events, self._events = self._events, []
            self._send(events)
        scored: Scored = []
        while self._groups:
            scored += self._groups.popleft().outcomes(self._judge)
        return scored

    def discard(self) -> None:
        """Forgets what was added and not returned, when its caller gave up on it."""
        self._events = []
        self._groups.clear()

    def close(self) -> None:
        """Ends the threads; waits for open calls."""
        self._pool.shutdown(cancel_futures=True)

    def _send(self, events: Sequence[Event]) -> None:
        shares = self._shares(events)
        self._groups.append(_Group(self._pool, self._config, events, shares, self._shadow))

    def _shares(self, events: Sequence[Event]) -> list[tuple[Lane, Sequence[int]]]:
        everything = range(len(events))
        if self._second is None or self._shadow is None:
            return [(self._lane, everything)]
        takes = [self._shadow.takes(event) for event in events]
        return [
            (self._lane, [i for i in everything if not takes[i]]),
            (self._second, [i for i in everything if takes[i]]),
        ]
