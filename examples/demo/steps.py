"""The steps of the demo on the screen: what is done, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Numbers the steps and takes their time."""

    def __init__(self, count: int):
        self._count = count
        self._number = 0
        self._started = time.monotonic()

    @contextmanager
    def step(self, title: str, command: str) -> Iterator[None]:
        """Announce a step, and say how long it took when it succeeded."""
        self._number += 1
        print(f"\n[{self._number}/{self._count}] {title}\n      $ {command}", flush=True)
        started = time.monotonic()
        yield
        print(f"      took {time.monotonic() - started:.1f} s", flush=True)

    @property
    def seconds(self) -> float:
        """Since the first step."""
        return time.monotonic() - self._started


def indented(line: str) -> None:
    """Print a line of a command under its step."""
    print(f"      {line}".rstrip(), flush=True)
