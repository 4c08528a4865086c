"""Where the steps of a pipeline find what they work with: connections, rules, sinks.

A step carries its place, which travels to wherever the engine runs the step, and opens it there:

====== ==========================================================================================
Here   the runtime of this process: all engines that run the steps in the bridge's own process
Worker connections of its own, opened in `setup`, closed in `teardown`: Dataflow
====== ==========================================================================================
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.sinks import written_as_files
from stream_bridge.event_clock import EventClock
from stream_bridge.metrics import Counts, count
from stream_bridge.records import Outcome, WindowSummary
from stream_bridge.rules import Failures, Rules
from stream_bridge.runtime import Runtime
from stream_bridge.scoring.failures import Patience
from stream_bridge.scoring.wiring import Scoring
from stream_bridge.sinks.routing import Sinks


class Opened(Protocol):
    """What a step works with; `Runtime` is one.

    Attributes:
      config: the bridge.
      scoring: servers, and what is remembered of answers.
      rules: what drops events and overrides the model.
      clock: how far event time has come; None where the engine alone knows.
    """

    config: BridgeConfig
    scoring: Scoring
    rules: Rules
    clock: EventClock | None

    def noting_failure(self) -> AbstractContextManager[None]:
        """Remembers what a step raises: Beam passes on only its text."""

    def write(self, outcomes: list[Outcome], texts: list[bytes | None]) -> Counts:
        """Writes outcomes and their JSON (None: not written, only counted).

        Returns, with what they are, when they are durable.
        """

    def write_windows(self, summaries: list[WindowSummary]) -> None:
        """Writes summaries of windows; returns when they are durable."""

    def came_too_late(self) -> None:
        """A prediction came too late for its window."""

    def release(self) -> None:
        """The step is done with it."""


@dataclass(frozen=True)
class Here:
    """The runtime of that name, in this process."""

    name: str

    def open(self) -> Runtime:
        """The runtime."""
        return Runtime.find(self.name)


@dataclass(frozen=True)
class Worker:
    """A process that knows the config and nothing else; each step there opens what it needs."""

    config: BridgeConfig

    def open(self) -> OnWorker:
        """Connections of the step's own, made when they are first used."""
        return OnWorker(self.config)


class OnWorker:
    """What one step works with in a worker's process. For one thread.

    Attributes:
      config: the bridge.
      clock: None; the engine's watermark is the source's own.
    """

    clock = None

    def __init__(self, config: BridgeConfig):
        self.config = config
        self._failures = Failures()
        self._abandon = threading.Event()
        self._patience = Patience(config.failure, self._abandon, lambda reason: None)

    @cached_property
    def scoring(self) -> Scoring:
        """Servers, rules, and what is remembered of answers."""
        return Scoring(self.config, self._patience, self._failures)

    @cached_property
    def rules(self) -> Rules:
        """What drops events; they need no connection."""
        return Rules(self.config.rules, self.config.alert.score, self._failures)

    @cached_property
    def _sinks(self) -> Sinks:
        return self._open_sinks(windows=False)

    @cached_property
    def _window_sinks(self) -> Sinks:
        return self._open_sinks(windows=True)

    def _open_sinks(self, *, windows: bool) -> Sinks:
        config = self.config
        taken = {
            name: sink
            for name, sink in config.sinks.items()
            if (sink.take == "windows") == windows and not written_as_files(sink)
        }
        return Sinks(taken, self._patience, config.alert.score, self._failures)

    @contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Nothing to note: the engine itself tries the bundle again, and shows the traceback."""
        yield

    def write(self, outcomes: Sequence[Outcome], texts: Sequence[bytes | None]) -> Counts:
        """Writes outcomes; returns, with what they are, when they are durable."""
        self._sinks.write(outcomes, texts)
        return count(outcomes)

    def write_windows(self, summaries: Sequence[WindowSummary]) -> None:
        """Writes summaries of windows; returns when they are durable."""
        self._window_sinks.write_windows(summaries)

    def came_too_late(self) -> None:
        """Counted by the engine."""

    def release(self) -> None:
        """Closes what was opened; what waits gives up."""
        self._abandon.set()
        for name in ("scoring", "_sinks", "_window_sinks"):
            if name in vars(self):
                vars(self)[name].close()
