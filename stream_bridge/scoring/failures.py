"""Whose fault a failed call is: the event's, or the server's.

A code alone cannot tell. INVALID_ARGUMENT may come from one bad text or from a broken new
version; UNAVAILABLE from a restart or from a text that crashes the server. So a text that worked
before is sent as a *probe*: when it fails too, the server is at fault and is waited for; when it
passes and the event fails again, and again, the event is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from stream_bridge.config.scoring import FailureConfig
from stream_bridge.errors import Abandoned, WaitedTooLong

_LOG = logging.getLogger(__name__)

# The server has looked at the content and refuses it: asking the same again is no use.
REFUSED_AT_ONCE = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE", "BAD_ANSWER"})
# May be one event's fault, so a batch is bisected without asking again.
MAY_BE_ONE_EVENT = REFUSED_AT_ONCE | {"INTERNAL", "UNKNOWN", "DATA_LOSS"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event (or a batch) will not be scored."""

    code: str
    message: str
    attempts: int


class Patience:
    """Waits between attempts, and knows when to stop waiting.

    Args:
      policy: how long.
      abandon: once set, waiting ends with Abandoned.
      on_wait: told in words what is waited for, and None when that is over.
    """

    def __init__(
        self,
        policy: FailureConfig,
        abandon: threading.Event,
        on_wait: Callable[[str | None], None],
    ):
        self._policy = policy
        self._abandon = abandon
        self._on_wait = on_wait

    def wait_until(self, works: Callable[[], Exception | None], reason: str) -> None:
        """Calls ``works`` with growing pauses until it returns None instead of an error.

        Raises WaitedTooLong after ``max_wait_seconds``, Abandoned when told to.
        """
        started, pause = time.monotonic(), self._policy.backoff_seconds
        limit = self._policy.max_wait_seconds
        self._on_wait(reason)
        _LOG.warning("waiting: %s", reason)
        while True:
            if self._abandon.wait(pause):
                raise Abandoned(f"stopped while waiting: {reason}")
            error = works()
            if error is None:
                break
            reason = str(error)
            self._on_wait(reason)
            waited = time.monotonic() - started
            if limit is not None and waited >= limit:
                raise WaitedTooLong(f"waited {waited:.0f} s and gave up: {reason}")
            pause = min(pause * 2, self._policy.max_backoff_seconds)
            if limit is not None:
                pause = min(pause, max(0.01, limit - waited))
        self._on_wait(None)
        _LOG.warning("going on after %.1f s", time.monotonic() - started)
