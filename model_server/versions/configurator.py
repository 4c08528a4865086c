"""Moves the server from one configuration to the next."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from model_server.configuration import ModelConfig, ServerConfig
from model_server.core.lookup import Lookup
from model_server.errors import FailedPreconditionError, UnknownError
from model_server.versions.manager import Manager
from model_server.versions.states import Board, VersionState
from model_server.versions.watcher import Watcher

log = logging.getLogger(__name__)


class Configurator:
    """Applies one configuration at a time.

    With `labels_ahead`, a new label may point to a version that is not loaded yet.
    """

    def __init__(
        self,
        lookup: Lookup,
        manager: Manager,
        board: Board,
        watcher: Watcher,
        labels_ahead: bool = False,
    ) -> None:
        self._lookup = lookup
        self._manager = manager
        self._board = board
        self._watcher = watcher
        self._labels_ahead = labels_ahead
        self._applying = threading.Lock()
        self._models: Mapping[str, ModelConfig] = {}

    def apply(self, config: ServerConfig) -> None:
        """Serve these models and no others; returns when the new ones serve or have failed.

        Labels are checked before anything changes, against the versions that serve now.

        Raises:
            FailedPreconditionError: a label points to a version that does not serve.
            UnknownError: a new model could not be loaded.
        """
        with self._applying:
            self._check_labels(config)
            self._lookup.labels = {
                name: dict(model.labels) for name, model in config.models.items()
            }
            new = sorted(config.models.keys() - self._models.keys())
            self._models = dict(config.models)
            self._watcher.watch(self._models)
            self._wait(new)

    def _check_labels(self, config: ServerConfig) -> None:
        for name, model in config.models.items():
            serving = self._manager.serving(name)
            before = self._lookup.labels.get(name, {})
            for label, version in model.labels.items():
                ahead = self._labels_ahead and before.get(label, version) == version
                if version not in serving and not ahead:
                    raise FailedPreconditionError(
                        f"Request to assign label to version {version} of model {name}, which is "
                        "not currently available for inference"
                    )

    def _wait(self, names: list[str]) -> None:
        # A model that was served before and comes back has old versions on the board: they count
        # only once they are wanted again.
        def decided(states: Mapping[str, Mapping[int, VersionState]]) -> bool:
            return all(
                any(s.decided for v, s in states.get(name, {}).items() if self._is_wanted(name, v))
                for name in names
            )

        self._board.wait(decided)
        failures = self._failures(names)
        if failures:
            items = [
                f"{{{{name: {name} version: {state.version}}} due to error: "
                f"{state.error.code}: {state.error.message}}}"
                for name, state in failures
                if state.error is not None
            ]
            raise UnknownError(
                f"{len(items)} servable(s) did not become available: {{{', '.join(items)}, }}"
            )

    def _is_wanted(self, name: str, version: int) -> bool:
        return version in self._manager.wanted(name)

    def _failures(self, names: list[str]) -> list[tuple[str, VersionState]]:
        failures = []
        for name in names:
            decided = [
                state
                for state in self._board.versions(name)
                if state.decided and self._is_wanted(name, state.version)
            ]
            if decided and decided[0].error is not None:
                failures.append((name, decided[0]))
        return failures
