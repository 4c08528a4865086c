"""What the steps of one running pipeline share: stop flags, metrics, state, open connections.

Beam copies DoFns, and the local engine runs the copies in this process. They find the runtime they
belong to by its name, instead of carrying it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from stream_bridge.config.base import BrokerKeptSource
from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.kafka import KafkaSource
from stream_bridge.errors import FINAL, StateError
from stream_bridge.event_clock import EventClock
from stream_bridge.metrics import Counts, Metrics, count
from stream_bridge.records import Outcome, Prediction, WindowSummary
from stream_bridge.rules import Failures, Rules
from stream_bridge.scoring.failures import Patience
from stream_bridge.scoring.wiring import Scoring
from stream_bridge.sinks.routing import Sinks
from stream_bridge.sources.source import Source, open_source
from stream_bridge.state import Position, StateDir

if TYPE_CHECKING:
    from stream_bridge.sinks.kafka import SourceTransaction


class Runtime:
    """One run of one bridge.

    Attributes:
      name: finds it again from inside a pipeline.
      config: the bridge.
      metrics: what it counts.
      scoring: servers, rules, and what is remembered of answers.
      rule_failures: how often a rule or a sink's condition failed on an event.
      clock: how far event time has come; None where no window waits for it.
      draining: once set, no more is read; what was read is finished.
      abandon: once set, waiting ends; what is unfinished is handed back.
      input_ended: set when standard input has ended.
      ended: set when all that was read, and its windows, went through every step.
      engine_counts: Beam's metrics, once the pipeline has ended.
      failure: what stopped the pipeline; Beam reports only its text.
    """

    _running: ClassVar[dict[str, Runtime]] = {}

    def __init__(self, config: BridgeConfig, state: StateDir, stop: threading.Event | None = None):
        self.name = uuid.uuid4().hex
        self.config = config
        self.metrics = Metrics()
        self.draining = stop or threading.Event()
        self.abandon = threading.Event()
        self.failure: BaseException | None = None
        self.input_ended = threading.Event()
        self.ended = threading.Event()
        self.engine_counts: dict[str, int] | None = None
        self._state = state
        self._bundle = Counts()
        # An engine of its own commits from a thread of Beam's, its last checkpoint even after the
        # pipeline has ended.
        self._committing = threading.Lock()
        self._all_committed = False
        # A position behind durable results that was not committed yet, whoever should have.
        self._owed: Position | None = None
        # When the source was last asked for lines; monotonic seconds.
        self.looked = 0.0
        patience = Patience(config.failure, self.abandon, self.metrics.waiting_for)
        self.rule_failures = Failures()
        self.sinks = Sinks(
            config.sinks,
            patience,
            config.alert.score,
            self.rule_failures,
            _together(config, patience),
        )
        self.scoring = Scoring(config, patience, self.rule_failures)
        windows = config.windows
        # The local engine groups once, when the source has ended: nothing is late there, and a
        # watermark would only make it drop what came before.
        self.clock = (
            EventClock(windows.out_of_order_seconds, windows.idle_seconds)
            if windows and config.engine != "local"
            else None
        )
        self._source: Source | None = None

    def __enter__(self) -> Runtime:
        self._running[self.name] = self
        return self

    def __exit__(self, *exc: object) -> None:
        del self._running[self.name]
        self.close_source()
        self.scoring.close()
        self.sinks.close()

    @property
    def rules(self) -> Rules:
        """What drops events and overrides the model."""
        return self.scoring.rules

    @property
    def stopping(self) -> bool:
        """No more is read: the bridge drains, or something has failed."""
        return self.draining.is_set() or self.failure is not None

    @classmethod
    def find(cls, name: str) -> Runtime:
        """The running runtime of that name."""
        return cls._running[name]

    def source_at(self, position: Position | None, watermark: int | None = None) -> Source:
        """The source, opened anew where it does not stand at that position.

        Args:
          position: where it has to go on.
          watermark: what was reported there, microseconds since the epoch.
        """
        if self._source is not None and self._source.position == position:
            return self._source
        if self._source is not None and self.config.engine == "flink":
            # Flink itself went back to its checkpoint: what is unfinished comes again.
            if isinstance(self.failure, FINAL):
                raise self.failure
            self.failure = None
            self.metrics.given_up()
            if self.clock is not None:
                self.clock.return_to(watermark)
        self.close_source()
        self._source = open_source(
            self.config.source,
            self.config.limits,
            position,
            self._state,
            self.draining,
            self.input_ended,
        )
        return self._source

    def close_source(self) -> None:
        """Closes the source, if it is open."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def backlog_bytes(self) -> int:
        """About how many bytes the source holds that were not yet read."""
        try:
            return self._source.backlog_bytes() if self._source is not None else 0
        except (OSError, ValueError):
            return 0  # closed, or rotated away, between two looks

    def backlog_events(self) -> int | None:
        """Messages that the source's broker holds and that were not read; None where unknown."""
        counted = getattr(self._source, "backlog_events", None)
        return counted() if counted is not None else None

    def committed_position(self) -> Position | None:
        """Where the source's next unfinished line stands; empty where its broker keeps that."""
        if isinstance(self.config.source, BrokerKeptSource):
            return {}
        return self._state.position(self.config.source.address)

    def write(self, outcomes: list[Outcome], texts: list[bytes | None]) -> Counts:
        """Writes a bundle's outcomes; returns, with what they are, when they are durable."""
        with self.noting_failure():
            self.sinks.write(outcomes, texts, self._source)
        self.metrics.written(outcomes)
        if self.scoring.shadow is not None:
            self.scoring.shadow.count([each for each in outcomes if isinstance(each, Prediction)])
        counts = count(outcomes)
        if self.config.engine == "local":
            self._bundle += counts
        else:
            # These commit positions later, several bundles at once, from a thread of their own.
            self.metrics.committed(len(outcomes), counts)
        return counts

    def write_windows(self, summaries: list[WindowSummary]) -> None:
        """Writes summaries of windows; returns when they are durable."""
        with self.noting_failure():
            self.sinks.write_windows(summaries)
        self.metrics.windows_written(len(summaries))

    def came_too_late(self) -> None:
        """A prediction came too late for its window."""
        self.metrics.came_too_late()

    def release(self) -> None:
        """A step is done with it; it is closed where it was made."""

    def owes(self, position: Position, lines: int, moved: bool) -> bool:
        """Whether the position behind a bundle is to be committed when its results are durable.

        So it is after an empty bundle where that of an earlier one was not: an engine may have
        forgotten to say that it is durable, or a broker have refused it, and no line may come for
        long.
        """
        if lines or moved:
            self._owed = position
        return self._owed == position

    def commit(self, position: Position, lines: int) -> None:
        """Moves the position behind a bundle whose results are durable."""
        with self._committing:
            if not self._all_committed:
                self._commit(position, lines)

    def _commit(self, position: Position, lines: int) -> None:
        counts, self._bundle = self._bundle, Counts()
        try:
            if not isinstance(self.config.source, BrokerKeptSource):
                self._state.commit(self.config.source.address, position)
        except OSError as error:
            # The results are written and will come again: at least once, and said so. Raising
            # here would go unheard, as the bundle is already done.
            self.failure = StateError(f"position in {self._state.path}: {error.strerror}")
            return
        if self.config.engine == "local":
            self.metrics.committed(lines, counts)
        taken = self._source is None or self._source.committed(position)
        if taken and self._owed == position:
            self._owed = None

    def commit_read(self) -> None:
        """Moves the position behind all that was read, when the whole pipeline is done."""
        with self._committing:
            if self._source is not None and self._source.position:
                self._commit(self._source.position, 0)
            self._all_committed = True

    def begin_again(self) -> None:
        """Forgets an unfinished bundle before the pipeline is started again."""
        self._bundle = Counts()
        self.failure = None
        self.ended.clear()
        self.close_source()
        self.metrics.given_up()

    @contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Remembers what a step raises: Beam passes on only its text."""
        try:
            yield
        except Exception as error:
            self.failure = self.failure or error
            raise


def _together(config: BridgeConfig, patience: Patience) -> SourceTransaction | None:
    if not isinstance(config.source, KafkaSource):
        return None
    from stream_bridge.sinks.kafka import transaction_of

    return transaction_of(config, patience)
