"""The last reported state of every version this process has ever tracked."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from model_server.errors import StatusError


class State(enum.IntEnum):
    """A version's life; the numbers are the API's."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionState:
    """One version's state; `error` is set when it ended because it could not be loaded."""

    version: int
    state: State
    error: StatusError | None = None

    @property
    def decided(self) -> bool:
        """It serves, or never will."""
        return self.state in (State.AVAILABLE, State.END)


class Board:
    """States by model and version; nothing is ever removed. Safe to use from any thread."""

    def __init__(self) -> None:
        self._states: dict[str, dict[int, VersionState]] = {}
        self._changed = threading.Condition()

    def report(self, name: str, state: VersionState) -> None:
        """Record a state and wake who waits."""
        with self._changed:
            self._states.setdefault(name, {})[state.version] = state
            self._changed.notify_all()

    def versions(self, name: str) -> tuple[VersionState, ...]:
        """Every version of a model, the highest first; empty for an unknown model."""
        with self._changed:
            states = self._states.get(name, {})
            return tuple(sorted(states.values(), key=lambda state: state.version, reverse=True))

    def wait(self, done: Callable[[Mapping[str, Mapping[int, VersionState]]], bool]) -> None:
        """Block until `done(states)` holds."""
        with self._changed:
            self._changed.wait_for(lambda: done(self._states))

    def wake(self) -> None:
        """Let waiters look again, for what `done` depends on beside the states."""
        with self._changed:
            self._changed.notify_all()
