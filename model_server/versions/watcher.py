"""Polls the base paths and tells the manager which versions are wanted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from model_server.configuration import ModelConfig
from model_server.versions.discovery import wanted_versions
from model_server.versions.manager import Manager

log = logging.getLogger(__name__)


class Watcher:
    """A thread that looks at the disk every `poll_seconds`.

    0 looks once for each configuration. A base path that cannot be read abandons the whole round:
    what is loaded keeps serving. A warning is logged when it changes, not at every poll.
    """

    def __init__(self, manager: Manager, poll_seconds: float) -> None:
        self._manager = manager
        self._poll_seconds = poll_seconds
        self._models: Mapping[str, ModelConfig] = {}
        self._polling = threading.Lock()  # one round at a time
        self._wake = threading.Event()
        self._stopped = False
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling; what is wanted stays as it is."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def watch(self, models: Mapping[str, ModelConfig]) -> None:
        """Poll these models from now on; those no longer named are no longer wanted."""
        with self._polling:
            dropped = self._models.keys() - models.keys()
            self._models = dict(models)
            for name in dropped:
                self._manager.want(name, {})
        self.poll()

    def poll(self) -> None:
        """One round over all models."""
        with self._polling:
            heard: set[str] = set()
            rounds: dict[str, dict[int, Path]] = {}

            def warn(text: str) -> None:
                heard.add(text)
                if text not in self._said:
                    log.warning("%s", text)

            for config in self._models.values():
                try:
                    rounds[config.name] = wanted_versions(config, warn)
                except OSError as error:
                    text = (
                        "FileSystemStoragePathSource encountered a filesystem access error: "
                        f"Could not find base path {config.base_path} for servable {config.name} "
                        f"with error {error}"
                    )
                    heard.add(text)
                    if text not in self._said:
                        log.error("%s", text)
                    rounds.clear()
                    break
            self._said = heard
            for name, wanted in rounds.items():
                self._manager.want(name, wanted)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(self._poll_seconds if self._poll_seconds > 0 else None)
            self._wake.clear()
            if not self._stopped:
                self.poll()
