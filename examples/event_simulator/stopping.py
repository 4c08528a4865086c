"""Ending cleanly on SIGTERM and Ctrl-C."""

from __future__ import annotations

import signal
import time

_SLICE_SECONDS = 0.1


class Stop:
    """Set by SIGTERM or Ctrl-C once `on_signals` was called; the work looks at it and ends.

    A flag, not a threading.Event: setting an Event inside a signal handler can deadlock with a
    wait on it in the same thread.
    """

    def __init__(self) -> None:
        self.requested = False

    def on_signals(self) -> None:
        """From now on SIGTERM and SIGINT ask for a clean end instead of killing the process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request)

    def sleep_until(self, moment: float) -> bool:
        """Sleep until `time.monotonic()` reaches `moment`; False when asked to stop before."""
        while not self.requested:
            left = moment - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, _SLICE_SECONDS))
        return False

    def _request(self, number: int, frame: object) -> None:
        self.requested = True
