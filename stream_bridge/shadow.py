"""A second model beside the first: asked too (copy), or answering its share (split).

A copy never holds the stream: what the second model does not answer within its time counts as
failed, and after a failure it is left alone for a while. In a split the second model's share is
scored like any other, waiting and dead letters included.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from serving_client.errors import ServingError
from stream_bridge.config.scoring import ShadowConfig
from stream_bridge.config.server import ServerConfig
from stream_bridge.records import Event, Prediction, ShadowSaid
from stream_bridge.scoring.answers import Answer, BadAnswer

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0
_RECENT = 1024


class ShadowAnswer(NamedTuple):
    """The second model's row for one event."""

    model: str
    version: int
    row: dict[str, Any]

    def beside(
        self,
        row: dict[str, Any],
        alert: bool,
        score: str,
        is_alert: Callable[[str, int, dict[str, Any]], bool],
    ) -> ShadowSaid:
        """Compares it with what the first model said.

        Args:
          row: the first model's row.
          alert: whether that is an alert.
          score: name of the output that is the score.
          is_alert: whether the row of a model's version is an alert.
        """
        label, value = self.row.get("label"), self.row.get(score)
        other = is_alert(self.model, self.version, self.row)
        return ShadowSaid(
            model=self.model,
            version=self.version,
            label=label if isinstance(label, str) else None,
            score=value if isinstance(value, int | float) else None,
            alert=other,
            disagrees=label != row.get("label") or other != alert,
        )


def second_server(config: ShadowConfig, first: ServerConfig) -> ServerConfig:
    """Where and what the second model is; what is not said is as for the first."""
    return first.model_copy(
        update={
            "address": config.address or first.address,
            "model": config.model or first.model,
            "label": config.label,
            "version": config.version,
            "timeout_seconds": config.timeout_seconds
            if config.mode == "copy"
            else first.timeout_seconds,
        }
    )


def share_of(key: str) -> float:
    """A number from 0 to 1 that is always the same for a key, on every machine."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@dataclass(frozen=True, slots=True)
class Side:
    """One model's side of the comparison.

    Attributes:
      events: predictions it made (of a copy: those that were compared).
      alerts: how many of them are alerts.
      score: mean score; None before the first.
      p50_ms: median duration of its last 1,024 calls; None before the first.
    """

    events: int
    alerts: int
    score: float | None
    p50_ms: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the two models did beside each other.

    Attributes:
      mode: ``copy`` or ``split``.
      first: the first model.
      second: the second.
      disagreed: of the compared events of a copy, how many the two judge differently.
      failed: events the second model did not answer in time.
      left_out: events it was not asked for, after a failure.
    """

    mode: str
    first: Side
    second: Side
    disagreed: int
    failed: int
    left_out: int

    @property
    def score_shift(self) -> float | None:
        """Mean score of the second less that of the first; None before there are both."""
        if self.first.score is None or self.second.score is None:
            return None
        return self.second.score - self.first.score


class _Tally:
    def __init__(self) -> None:
        self.events = self.alerts = self.scored = 0
        self.total = 0.0
        self.calls: deque[float] = deque(maxlen=_RECENT)

    def add(self, alert: bool, score: Any) -> None:
        self.events += 1
        self.alerts += alert
        if isinstance(score, int | float):
            self.scored += 1
            self.total += score

    def side(self) -> Side:
        mean = self.total / self.scored if self.scored else None
        calls = median(self.calls) * 1000 if self.calls else None
        return Side(self.events, self.alerts, mean, calls)


class Shadow:
    """The second model of one bridge, and what is counted of the two.

    Args:
      config: mode and share.
      call: sends texts to the second model.
      model: its name.
      score: the output that is the score.
      threads: calls open at once.
    """

    def __init__(
        self,
        config: ShadowConfig,
        call: Callable[[Sequence[str]], Answer],
        model: str,
        score: str,
        threads: int,
    ):
        self.config = config
        self.model = model
        self.splits = config.mode == "split"
        self._call = self.timed(call, second=True)
        self._score = score
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="shadow")
        self._lock = threading.Lock()
        self._first, self._second = _Tally(), _Tally()
        self._disagreed = self._failed = self._left_out = 0
        self._paused_until = 0.0

    def takes(self, event: Event) -> bool:
        """Whether the event is of the second model's share."""
        return self.config.share >= 1 or share_of(event.key or event.id) < self.config.share

    def timed(
        self, call: Callable[[Sequence[str]], Answer], *, second: bool
    ) -> Callable[[Sequence[str]], Answer]:
        """The same call, its duration noted for one side."""

        def timing(texts: Sequence[str]) -> Answer:
            started = time.monotonic()
            answer = call(texts)
            with self._lock:
                tally = self._second if second else self._first
                tally.calls.append(time.monotonic() - started)
            return answer

        return timing

    def copy(self, events: Sequence[Event]) -> Copied | None:
        """Asks the second model for events too; None where it is left alone for now."""
        if time.monotonic() < self._paused_until:
            with self._lock:
                self._left_out += len(events)
            return None
        deadline = time.monotonic() + self.config.timeout_seconds
        return Copied(
            self, self._pool.submit(self._call, [event.text for event in events]), deadline
        )

    def failed(self, events: int, error: BaseException) -> None:
        """The second model did not answer for that many events."""
        with self._lock:
            self._failed += events
            first = time.monotonic() >= self._paused_until
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
        if first:
            _LOG.warning("the shadow model does not answer: %s", error or "too slow")

    def count(self, predictions: Sequence[Prediction]) -> None:
        """Counts durable predictions."""
        with self._lock:
            for each in predictions:
                score = each.outputs.get(self._score)
                if self.splits:
                    second = self.takes(each.event)
                    (self._second if second else self._first).add(each.alert, score)
                elif each.shadow is not None:
                    self._first.add(each.alert, score)
                    self._second.add(each.shadow.alert, each.shadow.score)
                    self._disagreed += each.shadow.disagrees

    def comparison(self) -> Comparison:
        """How the two did so far."""
        with self._lock:
            return Comparison(
                self.config.mode,
                self._first.side(),
                self._second.side(),
                self._disagreed,
                self._failed,
                self._left_out,
            )

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Copied:
    """A call to the second model that is under way."""

    shadow: Shadow
    call: Future[Answer]
    deadline: float

    def ready(self) -> bool:
        """It has answered, or its time is up."""
        return self.call.done() or time.monotonic() >= self.deadline

    def answers(self, events: int) -> list[ShadowAnswer | None]:
        """A row per event, or None for each; never raises what the call raised."""
        try:
            answer = self.call.result(max(0.0, self.deadline - time.monotonic()))
        except (ServingError, BadAnswer, TimeoutError) as error:
            self.call.cancel()
            self.shadow.failed(events, error)
            return [None] * events
        return [ShadowAnswer(self.shadow.model, answer.version, row) for row in answer.rows]


def compared(comparison: Comparison) -> str:
    """The line that says how the two models did."""
    first, second = comparison.first, comparison.second
    if comparison.mode == "split":
        text = f"split: {first.events} events to the first model, {second.events} to the second"
    else:
        text = f"shadow: {second.events} events compared, {comparison.disagreed} judged differently"
    text += f"; alerts {first.alerts} and {second.alerts}"
    if comparison.score_shift is not None:
        text += f"; mean score {first.score:.4f} and {second.score:.4f}"
    if first.p50_ms is not None and second.p50_ms is not None:
        text += f"; p50 of a call {first.p50_ms:.1f} and {second.p50_ms:.1f} ms"
    if comparison.failed or comparison.left_out:
        text += f"; {comparison.failed} not answered, {comparison.left_out} not asked after that"
    return text
