"""gRPC on asyncio: one channel for each address."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from serving_client import grpc_channels
from serving_client.awaiting import AwaitingTransport
from serving_client.calls import Call
from serving_client.config import ClientConfig
from serving_client.errors import FailedPreconditionError, ResponseError
from serving_client.transport import Cancellation, Reply


def _is_cancelled(task: Any) -> bool:
    # Closing a channel looks like a cancelled task to those who wait for its calls; from Python
    # 3.11 on a task knows better.
    return bool(task is not None and hasattr(task, "cancelling") and task.cancelling())


class GrpcAioTransport(AwaitingTransport):
    """Calls over `grpc.aio`. Belongs to the event loop of its first call."""

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config)
        self._config = config
        self._channels: dict[str, Any] = {}
        self._methods: dict[tuple[str, str], Any] = {}
        self._closing: set[asyncio.Future[Any]] = set()
        self._closed = False

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
        """One attempt; see `transport.Transport`. Cancelling the task cancels the RPC."""
        path = call.method.path
        method = self._methods.get((address, path)) or self._method(address, path)
        extra = grpc_channels.metadata(headers)
        try:
            data = await method(
                call.payload, timeout=timeout, metadata=extra, wait_for_ready=patient
            )
        except grpc.aio.AioRpcError as error:
            raise grpc_channels.translate(error) from error
        except asyncio.CancelledError:
            if self._closed and not _is_cancelled(asyncio.current_task()):
                raise FailedPreconditionError("the client is closed") from None
            raise
        except grpc.aio.UsageError as error:  # what a closed channel raises
            raise FailedPreconditionError(f"the connection is closed: {error}") from error
        try:
            return Reply(call.method.response.FromString(data), len(data))
        except DecodeError as error:
            raise ResponseError(f"the answer is not a {call.method.name} response") from error

    def _method(self, address: str, path: str) -> Any:
        if self._closed:
            raise FailedPreconditionError("the client is closed")
        channel = self._channels.get(address)
        if channel is None:
            options = grpc_channels.options(self._config, address)
            if self._config.tls is None:
                channel = grpc.aio.insecure_channel(address, options)
            else:
                tls = grpc_channels.credentials(self._config.tls)
                channel = grpc.aio.secure_channel(address, tls, options)
            self._channels[address] = channel
        found = self._methods[(address, path)] = channel.unary_unary(path)
        return found

    def forget(self, address: str) -> None:
        """Close the channel to an address."""
        channel = self._channels.pop(address, None)
        for key in [key for key in self._methods if key[0] == address]:
            del self._methods[key]
        if channel is not None:
            closing = asyncio.ensure_future(channel.close())
            self._closing.add(closing)  # the loop itself holds tasks by weak references only
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all channels."""
        self._closed = True
        closing = [*self._closing, *(channel.close() for channel in self._channels.values())]
        self._channels.clear()
        self._methods.clear()
        await asyncio.gather(*closing)
