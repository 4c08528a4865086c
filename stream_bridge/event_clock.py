"""How far event time has come: what the source tells the engine, and what makes an event late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from stream_bridge.timestamps import now


class EventClock:
    """The watermark of one bridge: the latest event time less how far events may be out of order.

    `observe` is called as events are parsed, `advance` when the source reports its watermark;
    only then does the watermark move, and an event is late by what was reported before its
    bundle, never by what its neighbours brought. It goes back only with an engine that went back
    to a checkpoint (`return_to`). Safe to use from threads.

    Args:
      out_of_order_seconds: how far behind the latest event time the watermark is.
      idle_seconds: after that long without an event it goes on with the wall clock.
      monotonic: seconds, for tests to turn by hand.
      wall: microseconds since the epoch, likewise.
    """

    def __init__(
        self,
        out_of_order_seconds: float,
        idle_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = now,
    ):
        self._slack = round(out_of_order_seconds * 1_000_000)
        self._idle = idle_seconds
        self._monotonic, self._wall = monotonic, wall
        self._lock = threading.Lock()
        self._latest: int | None = None
        self._seen = monotonic()
        self._watermark: int | None = None

    def observe(self, event_time: int) -> None:
        """An event of that time (microseconds since the epoch) was parsed."""
        with self._lock:
            self._seen = self._monotonic()
            # A clock that is wrong by years must not close everyone else's windows.
            event_time = min(event_time, self._wall())
            if self._latest is None or event_time > self._latest:
                self._latest = event_time

    def advance(self) -> int | None:
        """Moves the watermark as far as it may, and returns it; None before the first event."""
        with self._lock:
            if self._latest is not None:
                found = self._latest - self._slack
                quiet = self._monotonic() - self._seen
                if quiet >= self._idle:
                    found = max(found, self._wall() - self._slack - round(self._idle * 1_000_000))
                self._watermark = max(found, self._watermark or found)
            return self._watermark

    def return_to(self, watermark: int | None) -> None:
        """Stands where it stood when that was reported: what came since comes again."""
        with self._lock:
            self._watermark = watermark
            self._latest = None if watermark is None else watermark + self._slack
            self._seen = self._monotonic()

    @property
    def watermark(self) -> int | None:
        """The watermark as it was last reported."""
        return self._watermark
