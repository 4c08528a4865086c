"""REST, synchronous and on asyncio: the same blocking exchange, the latter on threads."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving_client import rest_json
from serving_client.awaiting import AwaitingTransport
from serving_client.blocking import BlockingTransport
from serving_client.calls import Call
from serving_client.config import ClientConfig, Tls
from serving_client.errors import (
    CancelledError,
    DeadlineExceededError,
    FailedPreconditionError,
    UnavailableError,
    from_http_status,
)
from serving_client.rest_connections import Pool
from serving_client.transport import Cancellation, Reply


class _Exchanges:
    """Calls over HTTP: one pool for each address."""

    def __init__(self, tls: Tls | None) -> None:
        self._tls = tls
        self._pools: dict[str, Pool] = {}
        self._lock = threading.Lock()
        self._closed = False

    def send(
        self,
        address: str,
        call: Call[Any],
        timeout: float,
        headers: Mapping[str, str],
        cancellation: Cancellation | None,
    ) -> Reply:
        pool = self._pool(address)
        request = rest_json.request(call)
        try:
            status, body = pool.exchange(request, timeout, headers, cancellation)
        except TimeoutError as error:
            raise DeadlineExceededError("no answer within the deadline") from error
        except ssl.SSLCertVerificationError as error:
            reason = f"the server's certificate is not accepted: {error.verify_message}"
            raise UnavailableError(reason, retryable=False) from error  # it stays what it is
        except (OSError, http.client.HTTPException) as error:
            if cancellation is not None and cancellation.requested:
                raise CancelledError("cancelled here") from error
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"the connection failed: {reason}") from error
        if status != 200:
            raise from_http_status(status, rest_json.error_message(body))
        return Reply(rest_json.response(call, body), len(body))

    def _pool(self, address: str) -> Pool:
        with self._lock:
            if self._closed:
                raise FailedPreconditionError("the client is closed")
            if address not in self._pools:
                self._pools[address] = Pool(address, self._tls)
            return self._pools[address]

    def forget(self, address: str) -> None:
        with self._lock:
            pool = self._pools.pop(address, None)
        if pool is not None:
            pool.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()


class RestTransport(BlockingTransport):
    """Blocking calls over REST."""

    needs_metadata = True

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config)
        self._exchanges = _Exchanges(config.tls)

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
        """One attempt; see `transport.Transport`."""
        return self._exchanges.send(address, call, timeout, headers, cancellation)

    def forget(self, address: str) -> None:
        """Close the connections to an address."""
        self._exchanges.forget(address)

    def close(self) -> None:
        """Close all connections."""
        self._exchanges.close()
        super().close()


class RestAioTransport(AwaitingTransport):
    """REST for asyncio. The standard library has no HTTP client for it, so calls run on threads."""

    needs_metadata = True

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config)
        self._exchanges = _Exchanges(config.tls)
        self._threads = ThreadPoolExecutor(2 * config.max_in_flight, "serving-client-rest")

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
        """One attempt; see `transport.Transport`. Cancelling the task closes the connection."""
        cancellation = cancellation or Cancellation()
        loop = asyncio.get_running_loop()
        try:
            exchange = loop.run_in_executor(
                self._threads,
                lambda: self._exchanges.send(address, call, timeout, headers, cancellation),
            )
        except RuntimeError as error:  # what a pool that is shut down raises
            raise FailedPreconditionError("the client is closed") from error
        try:
            return await exchange
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    def forget(self, address: str) -> None:
        """Close the connections to an address."""
        self._exchanges.forget(address)

    async def close(self) -> None:
        """Close all connections."""
        self._exchanges.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
