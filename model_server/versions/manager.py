"""Loads what is wanted, unloads what is not, and lends loaded versions to requests.

A version no longer wanted goes only when a wanted one serves, or nothing is wanted, or more than
one unwanted version is still there: the model stays available. Each load and each unload has a
thread of its own, so that one model never waits for another.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from model_server.errors import InternalError, NotFoundError, StatusError
from model_server.servable import Servable
from model_server.versions.harness import Harness
from model_server.versions.states import Board, State

log = logging.getLogger(__name__)

Load = Callable[[str, int, Path], Servable]


class Lease:
    """A version held by one request; it is not unloaded before the block is left."""

    __slots__ = ("_harness", "_manager")

    def __init__(self, manager: Manager, harness: Harness) -> None:
        self._manager = manager
        self._harness = harness

    def __enter__(self) -> Servable:
        return self._harness.servable

    def __exit__(self, *_: object) -> None:
        self._manager.give_back(self._harness)


@dataclass(frozen=True)
class LoadPolicy:
    """How loads are made.

    `parallel` loads at once after start-up (`parallel_at_start` until `started` is called); a
    failed load is tried `retries` times more, `retry_seconds` apart.
    """

    parallel_at_start: int = 4 * (os.cpu_count() or 1)
    parallel: int = 1
    retries: int = 5
    retry_seconds: float = 60.0


class Manager:
    """The versions of every model. Safe to use from any thread."""

    def __init__(self, load: Load, board: Board, policy: LoadPolicy) -> None:
        self._load = load
        self._board = board
        self._policy = policy
        self._parallel = max(policy.parallel_at_start, 1)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._wanted: dict[str, dict[int, Path]] = {}
        self._harnesses: dict[str, dict[int, Harness]] = {}
        self._serving: dict[str, dict[int, Harness]] = {}
        self._loading = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="manager", daemon=True)

    def start(self) -> None:
        """Begin to act on what is wanted."""
        self._thread.start()

    def started(self) -> None:
        """Start-up is over: load gently from now on."""
        with self._changed:
            self._parallel = max(self._policy.parallel, 1)

    def want(self, name: str, versions: Mapping[int, Path]) -> None:
        """Replace the wanted versions of one model."""
        with self._changed:
            if self._wanted.get(name, {}) != versions:
                self._wanted[name] = dict(versions)
                self._reconcile(name)
                self._changed.notify_all()

    def lend(self, name: str, version: int | None) -> Lease:
        """Hold a serving version, the highest when `version` is None, until the lease is closed.

        Raises:
            NotFoundError: it does not serve now.
        """
        with self._lock:
            versions = self._serving.get(name)
            if versions:
                harness = versions.get(max(versions) if version is None else version)
                if harness is not None:
                    harness.users += 1
                    return Lease(self, harness)
        request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise NotFoundError(f"Servable not found for request: {request}")

    def give_back(self, harness: Harness) -> None:
        """End one use of a version; leases call it."""
        with self._lock:
            harness.users -= 1
            if not harness.users and harness.state is State.UNLOADING:
                self._changed.notify_all()

    def wanted(self, name: str) -> frozenset[int]:
        """The versions of a model that are wanted. A snapshot, taken without the lock."""
        return frozenset(self._wanted.get(name, ()))

    def serving(self, name: str) -> frozenset[int]:
        """The versions of a model that answer now."""
        with self._lock:
            return frozenset(self._serving.get(name, ()))

    def stop(self) -> None:
        """Start nothing new. Loaded versions go with the process."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    # --- the manager's thread ---

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                due = self._step(time.monotonic())
                self._changed.wait(due)

    def _step(self, now: float) -> float | None:
        """Start every transition that may start; seconds until the next retry, None for never."""
        for name in self._wanted.keys() | self._harnesses.keys():
            self._reconcile(name)
        for name, harnesses in self._harnesses.items():
            for harness in self._to_unload(name, harnesses):
                self._begin_unload(harness)
        waiting = [
            harness
            for harnesses in self._harnesses.values()
            for harness in harnesses.values()
            if harness.waiting_to_load
        ]
        waiting.sort(key=lambda harness: harness.version, reverse=True)
        for harness in waiting:
            if harness.not_before <= now and self._loading < self._parallel:
                self._begin_load(harness)
        later = [harness.not_before - now for harness in waiting if harness.not_before > now]
        return min(later, default=None)

    def _reconcile(self, name: str) -> None:
        wanted = self._wanted.get(name, {})
        harnesses = self._harnesses.setdefault(name, {})
        for version, harness in list(harnesses.items()):
            if version in wanted:
                continue
            if harness.waiting_to_load and harness.state is State.LOADING:
                harness.report(State.END, harness.error)  # between two attempts
                del harnesses[version]
            elif harness.waiting_to_load or harness.state is State.END:
                del harnesses[version]
        for version, path in wanted.items():
            if version not in harnesses:
                harness = Harness(name, version, path, self._board)
                harnesses[version] = harness
                harness.report(State.START)

    def _to_unload(self, name: str, harnesses: Mapping[int, Harness]) -> list[Harness]:
        wanted = self._wanted.get(name, {})
        available = [h for h in harnesses.values() if h.state is State.AVAILABLE]
        unwanted = sorted(
            (h for h in available if h.version not in wanted), key=lambda harness: harness.version
        )
        if not wanted or len(unwanted) < len(available):
            return unwanted
        return unwanted[:-1]

    def _begin_load(self, harness: Harness) -> None:
        self._loading += 1
        harness.waiting_to_load = False
        harness.attempts += 1
        harness.report(State.LOADING)
        threading.Thread(
            target=self._load_one, args=(harness,), name=f"load {harness.label}", daemon=True
        ).start()

    def _begin_unload(self, harness: Harness) -> None:
        harness.report(State.UNLOADING)
        versions = dict(self._serving[harness.name])
        del versions[harness.version]
        self._serving[harness.name] = versions
        threading.Thread(
            target=self._unload_one, args=(harness,), name=f"unload {harness.label}", daemon=True
        ).start()

    # --- threads of one load or unload ---

    def _load_one(self, harness: Harness) -> None:
        error: StatusError | None = None
        servable: Servable | None = None
        began = time.monotonic()
        try:
            if not harness.path.exists():
                raise NotFoundError(
                    "Error while attempting to reserve resources to load servable "
                    f"{harness.label}: {harness.path} not found"
                )
            servable = self._load(harness.name, harness.version, harness.path)
        except StatusError as problem:
            error = problem
        except Exception as problem:  # or the version would be loading for ever
            log.exception("Loading servable %s failed in a way that is not foreseen", harness.label)
            error = InternalError(f"{type(problem).__name__}: {problem}")
        with self._changed:
            self._loading -= 1
            if servable is not None:
                self._serve(harness, servable)
                log.info(
                    "Successfully loaded servable version %s in %.2f s",
                    harness.label,
                    time.monotonic() - began,
                )
            elif error is not None:
                self._failed(harness, error)
            self._changed.notify_all()

    def _serve(self, harness: Harness, servable: Servable) -> None:
        harness.servable = servable
        harness.error = None
        self._serving[harness.name] = {
            **self._serving.get(harness.name, {}),
            harness.version: harness,
        }
        harness.report(State.AVAILABLE)

    def _failed(self, harness: Harness, error: StatusError) -> None:
        harness.error = error
        attempts = 1 + max(self._policy.retries, 0)
        wanted = harness.version in self._wanted.get(harness.name, {})
        if wanted and harness.attempts < attempts:
            seconds = max(self._policy.retry_seconds, 0.0)
            harness.not_before = time.monotonic() + seconds
            harness.waiting_to_load = True
            log.error(
                "Loading servable %s failed (attempt %d of %d, next in %g s): %s: %s",
                harness.label,
                harness.attempts,
                attempts,
                seconds,
                error.code,
                error.message.replace("\n", " "),
            )
            return
        # The state first: who reads the log line and asks must find it.
        harness.report(State.END, error)
        log.error(
            "Servable %s cannot be loaded: %s: %s",
            harness.label,
            error.code,
            error.message.replace("\n", " "),
        )

    def _unload_one(self, harness: Harness) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not harness.users)
        servable, harness.servable = harness.servable, None
        servable.close()
        with self._changed:
            harness.report(State.END)
            del self._harnesses[harness.name][harness.version]
            self._changed.notify_all()
        log.info("Unloaded servable version %s", harness.label)
