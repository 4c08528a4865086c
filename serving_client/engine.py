"""Carries one call to an answer: slots, endpoints, retries, hedging, the deadline, the record.

No I/O here: everything that touches the world goes through `transport.Transport`.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from serving_client import addresses
from serving_client.balancing import Balancer
from serving_client.calls import Call
from serving_client.config import ClientConfig
from serving_client.errors import (
    DeadlineExceededError,
    LookupTimeoutError,
    ResourceExhaustedError,
    ServingError,
)
from serving_client.headers import checked
from serving_client.hooks import CallRecord, notify
from serving_client.retries import Attempts, Budget
from serving_client.transport import Cancellation, Reply, Transport

T = TypeVar("T")

# The longest wait that every part underneath can take (poll counts milliseconds in an int): a call
# "without" a deadline has this one.
_LONGEST_SECONDS = 20 * 86_400.0
# How long a call waits for a lookup that only refreshes what is known already.
_REFRESH_PATIENCE_SECONDS = 1.0
_TIMED_OUT = (DeadlineExceededError, LookupTimeoutError)


class Engine:
    """The calls of one client over one transport."""

    def __init__(self, config: ClientConfig, transport: Transport) -> None:
        self._config = config
        self._transport = transport
        self._budget = Budget(config.retry)
        fixed, self._names = addresses.split(config.addresses)
        self._fixed = fixed
        self._balancer = Balancer(fixed, config.ejection)
        self._resolved_at = float("-inf")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses calls go to now, names resolved."""
        return self._balancer.addresses

    def deadline(self, timeout: float | None) -> float:
        """The moment at which a call that starts now has to be over."""
        seconds = self._config.timeout_seconds if timeout is None else timeout
        return time.monotonic() + min(_LONGEST_SECONDS, seconds)

    async def execute(self, call: Call[T], deadline: float) -> T:
        """The decoded answer of `call`. Raises the ServingError of the last attempt."""
        config = self._config
        started = time.monotonic()
        attempts = Attempts(config.retry, self._budget, deadline)
        trace = _Trace()
        code = "OK"
        value: T | None = None
        try:
            if not await self._transport.acquire(attempts.timeout(started)):
                raise ResourceExhaustedError(
                    f"all {config.max_in_flight} calls in flight (max_in_flight) stayed busy "
                    "until the deadline",
                    retryable=False,
                )
            try:
                reply = await self._attempt_until_done(call, attempts, trace)
            finally:
                self._transport.release()
            trace.response_bytes = reply.size
            value = call.decode(reply.message)
            return value
        except ServingError as error:
            error.attempts = attempts.made
            error.endpoint = error.endpoint or trace.address or None
            code = error.code
            raise
        except BaseException as error:
            code = "UNKNOWN" if isinstance(error, Exception) else "CANCELLED"
            raise
        finally:
            if config.hooks:
                answered: int | None = getattr(value, "version", None)
                record = CallRecord(
                    method=call.method.name,
                    model=call.model,
                    version=call.version if answered is None else answered,
                    signature=call.signature,
                    endpoint=trace.address,
                    attempts=attempts.made,
                    request_bytes=len(call.payload),
                    response_bytes=trace.response_bytes,
                    seconds=time.monotonic() - started,
                    code=code,
                )
                notify(config.hooks, record)

    async def _attempt_until_done(
        self, call: Call[Any], attempts: Attempts, trace: _Trace
    ) -> Reply:
        earlier: ServingError | None = None
        while True:
            now = time.monotonic()
            try:
                timeout = attempts.timeout(now)
                if self._names:
                    await self._follow_names(now, timeout)
                attempts.made += 1
                # With one endpoint, wait for its connection: a retry that only asks whether it is
                # back can keep missing a server that comes and goes.
                trace.patient = earlier is not None and len(self._balancer.addresses) == 1
                if self._config.hedge is None:
                    return await self._once(call, timeout, trace)
                return await self._hedged(call, attempts, timeout, trace)
            except ServingError as error:
                now = time.monotonic()
                delay = attempts.delay_after(error, now)
                if delay is None:
                    if isinstance(error, _TIMED_OUT) and earlier is not None:
                        raise _out_of_time(earlier) from error
                    raise
                earlier = error
            await self._transport.sleep(delay)

    async def _once(
        self,
        call: Call[Any],
        timeout: float,
        trace: _Trace,
        cancellation: Cancellation | None = None,
    ) -> Reply:
        headers = self._config.headers
        if callable(headers):
            headers = checked(headers())
        if call.headers:
            headers = {**headers, **call.headers}
        endpoint = self._balancer.start(time.monotonic(), trace.address)
        trace.address = address = endpoint.address
        try:
            reply = await self._transport.send(
                address, call, timeout, headers, cancellation, patient=trace.patient
            )
        except ServingError as error:
            error.endpoint = address
            if cancellation is not None and cancellation.requested:
                self._balancer.cancelled(endpoint)
            elif error.retryable or isinstance(error, DeadlineExceededError):
                self._balancer.failed(endpoint, time.monotonic())
            else:
                self._balancer.succeeded(endpoint)
            raise
        except BaseException:
            self._balancer.cancelled(endpoint)
            raise
        trace.address = address  # of two attempts under way this one counts
        self._balancer.succeeded(endpoint)
        self._budget.succeeded()
        return reply

    async def _hedged(
        self, call: Call[Any], attempts: Attempts, timeout: float, trace: _Trace
    ) -> Reply:
        hedge = self._config.hedge
        if hedge is None or hedge.after_seconds >= timeout:
            return await self._once(call, timeout, trace)

        def first(cancellation: Cancellation) -> Coroutine[Any, Any, Reply]:
            return self._once(call, timeout, trace, cancellation)

        def second(cancellation: Cancellation) -> Coroutine[Any, Any, Reply] | None:
            if self._budget.reserve(time.monotonic(), 0.0) is None:
                return None
            attempts.made += 1
            return self._once(call, timeout - hedge.after_seconds, trace, cancellation)

        return await self._transport.race(first, second, hedge.after_seconds)

    async def _follow_names(self, now: float, timeout: float) -> None:
        known = bool(self._balancer.addresses)
        if known:
            if now - self._resolved_at < self._config.dns_refresh_seconds:
                return
            self._resolved_at = now  # one call looks, the others go on with what is known
            timeout = min(timeout, _REFRESH_PATIENCE_SECONDS)
        found = list(self._fixed)
        try:
            for host, port in self._names:
                found += await self._transport.resolve(host, port, timeout)
        except ServingError:
            if not known:
                raise
            return
        self._resolved_at = now
        for gone in self._balancer.replace(tuple(dict.fromkeys(found))):
            self._transport.forget(gone)


def _out_of_time(earlier: ServingError) -> ServingError:
    # What went wrong before says more than that time ran out while waiting for it to pass.
    return type(earlier)(
        f"{earlier.message}; and no answer until the deadline", endpoint=earlier.endpoint
    )


class _Trace:
    """Where the attempts of one call went, and how the next one is made."""

    __slots__ = ("address", "patient", "response_bytes")

    def __init__(self) -> None:
        self.address = ""
        self.patient = False
        self.response_bytes = 0
