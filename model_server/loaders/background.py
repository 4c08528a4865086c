"""Loads and unloads have time: they leave the processors to requests."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading

# Not SCHED_IDLE: under requests that keep every processor busy a load would hardly ever end, and
# a thread without privileges cannot go back. Of a busy processor this leaves it some 3 %.
_NICE = 15


def leave_processors() -> None:
    """Let requests go before this thread, and before the threads that it starts.

    Only on Linux does a thread have a niceness of its own; elsewhere nothing is changed.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def give_memory_back() -> None:
    """Return freed memory to the system: weights were many allocations, and glibc keeps them.

    Other C libraries have no such function.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
