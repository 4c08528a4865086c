"""One version on its way from tracked to ended."""

from __future__ import annotations

from pathlib import Path

from model_server.errors import StatusError
from model_server.servable import Servable
from model_server.versions.states import Board, State, VersionState


class Harness:
    """What the manager knows of one version; changed only under the manager's lock.

    `users` counts the requests that hold it, `attempts` the loads tried; `not_before` (monotonic
    seconds) is when the next may begin.
    """

    def __init__(self, name: str, version: int, path: Path, board: Board) -> None:
        self.name = name
        self.version = version
        self.path = path
        self.state = State.START
        self.error: StatusError | None = None
        self.servable: Servable | None = None
        self.users = 0
        self.attempts = 0
        self.not_before = 0.0
        self.waiting_to_load = True
        self._board = board

    @property
    def label(self) -> str:
        """How the API prints a servable."""
        return f"{{name: {self.name} version: {self.version}}}"

    def report(self, state: State, error: StatusError | None = None) -> None:
        """Move to `state` and say so."""
        self.state = state
        self._board.report(self.name, VersionState(self.version, state, error))
