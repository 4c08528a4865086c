"""What happens beside the stream: the status file, the time limits, the signals."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from stream_bridge.monitoring import Monitor
from stream_bridge.runtime import Runtime
from stream_bridge.status import describe, write_status
from stream_bridge.timestamps import now

_LOG = logging.getLogger(__name__)
_TICK_SECONDS = 0.1
_STATUS_SECONDS = 1.0


class Housekeeper:
    """A thread that keeps the status file fresh and stops the bridge when its time is up.

    Args:
      runtime: the bridge.
      listening: where it listens, if it does.
      show: gets every new status, for a display; or None.
    """

    def __init__(
        self,
        runtime: Runtime,
        listening: str | None,
        show: Callable[[dict[str, Any]], None] | None,
    ):
        self._runtime = runtime
        self._listening = listening
        self._show = show
        self._path = runtime.config.state_dir / "status.json"
        self._started = now()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)
        self._began = time.monotonic()
        self.state = "starting"
        address = runtime.config.monitoring.address
        self._monitor = Monitor(address, self.status, runtime.metrics) if address else None

    def __enter__(self) -> Housekeeper:
        if self._monitor:
            self._monitor.start()
        self._report()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._finished.set()
        self._thread.join()
        self._report()
        if self._monitor:
            self._monitor.stop()

    def begin(self) -> None:
        """The stream begins; the time limit counts from here."""
        self._began = time.monotonic()
        self.state = "running"
        self._report()

    def status(self) -> dict[str, Any]:
        """The status now."""
        snapshot = self._runtime.metrics.snapshot()
        state = self.state
        if state == "running" and self._runtime.draining.is_set():
            state = "draining"
        elif state in ("starting", "running") and snapshot.waiting_for:
            state = "waiting"
        monitoring = self._monitor.address if self._monitor else None
        return describe(self._runtime, snapshot, state, self._started, self._listening, monitoring)

    def _run(self) -> None:
        config = self._runtime.config
        reported = time.monotonic()
        drain_began: float | None = None
        while not self._finished.wait(_TICK_SECONDS):
            clock = time.monotonic()
            if config.max_seconds is not None and clock - self._began >= config.max_seconds:
                self._runtime.draining.set()
            if self._runtime.draining.is_set():
                drain_began = drain_began or clock
                if clock - drain_began >= config.failure.drain_seconds:
                    self._runtime.abandon.set()
            if clock - reported >= _STATUS_SECONDS:
                reported = clock
                self._report()

    def _report(self) -> None:
        status = self.status()
        try:
            write_status(self._path, status)
        except OSError as error:
            _LOG.warning("the status file cannot be written: %s", error.strerror)
        if self._show:
            self._show(status)


class Signals:
    """SIGINT and SIGTERM drain; a second one hands back what is unfinished at once."""

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._runtime.draining.is_set():
            self._runtime.abandon.set()
        self._runtime.draining.set()
