"""Waiting, slots, name lookup and races on an asyncio loop."""

from __future__ import annotations

import abc
import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from serving_client.blocking import join_addresses
from serving_client.config import ClientConfig
from serving_client.errors import LookupTimeoutError, UnavailableError
from serving_client.transport import Cancellation, Transport

T = TypeVar("T")


class AwaitingTransport(Transport):
    """The part of `transport.Transport` that all asyncio transports share."""

    needs_metadata = False

    def __init__(self, config: ClientConfig) -> None:
        self._slots = asyncio.Semaphore(config.max_in_flight)

    @abc.abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run."""
        await asyncio.sleep(seconds)

    async def acquire(self, timeout: float) -> bool:
        """Take a slot, waiting up to `timeout` seconds."""
        if not self._slots.locked():
            await self._slots.acquire()  # does not suspend
            return True
        try:
            await asyncio.wait_for(self._slots.acquire(), timeout)
        except asyncio.TimeoutError:
            return False
        return True

    def release(self) -> None:
        """Give the slot back."""
        self._slots.release()

    async def resolve(self, host: str, port: int, timeout: float) -> tuple[str, ...]:
        """Ask the system's resolver, off the loop."""
        look_up = asyncio.get_running_loop().getaddrinfo
        try:
            found = await asyncio.wait_for(
                look_up(host.strip("[]"), port, type=socket.SOCK_STREAM), timeout
            )
        except asyncio.TimeoutError as error:
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
        """Both as tasks; see `transport.Transport.race`."""
        runners: dict[asyncio.Task[T], Cancellation] = {}

        def start(make: Callable[[Cancellation], Coroutine[Any, Any, T] | None]) -> None:
            cancellation = Cancellation()
            work = make(cancellation)
            if work is not None:
                runners[asyncio.ensure_future(work)] = cancellation

        try:
            start(first)
            done, _ = await asyncio.wait(runners, timeout=after)
            if not done:
                start(second)
            error: BaseException | None = None
            for finished in asyncio.as_completed(list(runners)):
                try:
                    return await finished
                except Exception as failure:
                    error = failure
            assert error is not None  # noqa: S101 - at least one task was there
            raise error
        finally:
            for task, cancellation in runners.items():
                if not task.done():
                    cancellation.requested = True
                    task.cancel()
            await asyncio.gather(*runners, return_exceptions=True)
