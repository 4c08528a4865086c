"""Waiting, slots, name lookup and races for transports that block the caller's thread."""

from __future__ import annotations

import concurrent.futures
import contextvars
import queue
import socket
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from serving_client.config import ClientConfig
from serving_client.errors import FailedPreconditionError, LookupTimeoutError, UnavailableError
from serving_client.transport import Cancellation, Transport, run

T = TypeVar("T")


class BlockingTransport(Transport):
    """The part of `transport.Transport` that all synchronous transports share."""

    needs_metadata = False

    def __init__(self, config: ClientConfig) -> None:
        # A queue of tokens: unlike threading's semaphore it costs next to nothing.
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(config.max_in_flight):
            self._slots.put(None)
        # They start no thread before the first use.
        threads = concurrent.futures.ThreadPoolExecutor
        self.futures = threads(config.max_in_flight, "serving-client")
        self._racers = threads(2 * config.max_in_flight, "serving-client-hedge")
        self._resolvers = threads(2, "serving-client-dns")

    async def sleep(self, seconds: float) -> None:
        """Block."""
        time.sleep(seconds)

    async def acquire(self, timeout: float) -> bool:
        """Take a slot, waiting up to `timeout` seconds."""
        try:
            self._slots.get(timeout=timeout)
        except queue.Empty:
            return False
        return True

    def release(self) -> None:
        """Give the slot back."""
        self._slots.put(None)

    async def resolve(self, host: str, port: int, timeout: float) -> tuple[str, ...]:
        """Ask the system's resolver, on a thread of its own: it has no timeout."""
        look_up = partial(socket.getaddrinfo, host.strip("[]"), port, type=socket.SOCK_STREAM)
        try:
            found = self._resolvers.submit(look_up).result(timeout)
        except RuntimeError as error:
            raise FailedPreconditionError("the client is closed") from error
        except concurrent.futures.TimeoutError as error:
            raise LookupTimeoutError(f"the name {host} was not resolved in time") from error
        except OSError as error:
            raise UnavailableError(f"the name {host} cannot be resolved: {error}") from error
        return join_addresses(found)

    async def race(
        self,
        first: Callable[[Cancellation], Coroutine[Any, Any, T]],
        second: Callable[[Cancellation], Coroutine[Any, Any, T] | None],
        after: float,
    ) -> T:
        """Both on threads of their own; see `transport.Transport.race`."""
        runners: dict[concurrent.futures.Future[T], Cancellation] = {}

        def start(make: Callable[[Cancellation], Coroutine[Any, Any, T] | None]) -> None:
            cancellation = Cancellation()
            work = make(cancellation)
            if work is not None:
                context = contextvars.copy_context()  # a trace goes on in the thread
                try:
                    runner = self._racers.submit(context.run, run, work)
                except RuntimeError as error:
                    work.close()
                    raise FailedPreconditionError("the client is closed") from error
                runners[runner] = cancellation

        try:
            start(first)
            concurrent.futures.wait(runners, timeout=after)
            if not any(future.done() for future in runners):
                start(second)
            error: BaseException | None = None
            for future in concurrent.futures.as_completed(list(runners)):
                error = future.exception()
                if error is None:
                    return future.result()
            assert error is not None  # noqa: S101 - at least one future was there
            raise error
        finally:
            for future, cancellation in runners.items():
                if not future.done():
                    cancellation.cancel()

    def close(self) -> None:
        """Stop all threads."""
        for threads in (self.futures, self._racers, self._resolvers):
            threads.shutdown(wait=False, cancel_futures=True)


def join_addresses(found: list[Any]) -> tuple[str, ...]:
    """`host:port` of each result of getaddrinfo, sorted, without repetition."""
    joined = set()
    for family, _, _, _, where in found:
        host, port = where[0], where[1]
        joined.add(f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}")
    return tuple(sorted(joined))
