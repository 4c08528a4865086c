"""The seam between the protocol and the wire: what a transport must do, and nothing more.

The protocol is written once as coroutines. A synchronous transport answers from inside `send`
without ever suspending, so `run` can drive the same coroutine to its end on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from serving_client.calls import Call

T = TypeVar("T")


class Reply(NamedTuple):
    """A response message and how many bytes it had on the wire."""

    message: Any
    size: int


class Cancellation:
    """Lets the loser of a hedge be stopped; `stop` is set by whoever can stop it."""

    def __init__(self) -> None:
        self.requested = False
        self._stop: Callable[[], object] | None = None

    def on_cancel(self, stop: Callable[[], object]) -> None:
        """Register what stops the attempt; runs at once if cancellation was asked for already."""
        self._stop = stop
        if self.requested:
            stop()

    def cancel(self) -> None:
        """Stop the attempt, now or as soon as it can be."""
        self.requested = True
        if self._stop is not None:
            self._stop()


class Transport(Protocol):
    """Sends calls to addresses, and waits."""

    @property
    def needs_metadata(self) -> bool:
        """Whether Predict cannot be sent or read without the model's metadata."""
        ...

    async def send(
        self,
        address: str,
        call: Call[Any],
        timeout: float,
        headers: Mapping[str, str],
        cancellation: Cancellation | None = None,
        *,
        patient: bool = False,
    ) -> Reply:
        """One attempt. Raises ServingError and nothing else (besides asyncio's cancellation).

        A `patient` attempt waits for a broken connection to come back, where the transport can.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def acquire(self, timeout: float) -> bool:
        """Take one of `max_in_flight` slots; False if none came free in time."""
        ...

    def release(self) -> None:
        """Give the slot back."""
        ...

    async def resolve(self, host: str, port: int, timeout: float) -> tuple[str, ...]:
        """The addresses behind a name, sorted. UnavailableError if there are none in time."""
        ...

    async def race(
        self,
        first: Callable[[Cancellation], Coroutine[Any, Any, T]],
        second: Callable[[Cancellation], Coroutine[Any, Any, T] | None],
        after: float,
    ) -> T:
        """Run `first`; if it takes longer than `after` seconds also `second`.

        The first success wins and cancels the other. `second` may decline with None. If both fail,
        the error of the one that failed last is raised.
        """
        ...

    def forget(self, address: str) -> None:
        """Close the connection to an address that is no longer used; no call is under way there."""
        ...

    def close(self) -> Awaitable[None] | None:
        """Close all connections."""
        ...


def run(work: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine over a synchronous transport: it finishes without suspending."""
    try:
        work.send(None)
    except StopIteration as finished:
        value: T = finished.value
        return value
    work.close()
    raise RuntimeError("a synchronous transport suspended")
