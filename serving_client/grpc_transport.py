"""gRPC, synchronous: one channel for each address."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from serving_client import grpc_channels
from serving_client.blocking import BlockingTransport
from serving_client.calls import Call
from serving_client.config import ClientConfig
from serving_client.errors import CancelledError, FailedPreconditionError, ResponseError
from serving_client.transport import Cancellation, Reply


class _Connection:
    """A channel and its callables by path."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self._callables: dict[str, Any] = {}

    def method(self, path: str) -> Any:
        found = self._callables.get(path)
        if found is None:
            found = self._callables[path] = self.channel.unary_unary(path)
        return found


class GrpcTransport(BlockingTransport):
    """Blocking calls over `grpc`."""

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config)
        self._config = config
        self._connections: dict[str, _Connection] = {}
        self._lock = threading.Lock()
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
        """One attempt; see `transport.Transport`."""
        connection = self._connections.get(address) or self._connect(address)
        method = connection.method(call.method.path)
        extra = grpc_channels.metadata(headers)
        try:
            if cancellation is None:
                data = method(call.payload, timeout=timeout, metadata=extra, wait_for_ready=patient)
            else:
                future = method.future(
                    call.payload, timeout=timeout, metadata=extra, wait_for_ready=patient
                )
                cancellation.on_cancel(future.cancel)
                data = future.result()
        except grpc.RpcError as error:
            raise grpc_channels.translate(error) from error
        except grpc.FutureCancelledError as error:
            raise CancelledError("cancelled here") from error
        except ValueError as error:  # what a closed channel raises
            raise FailedPreconditionError(f"the connection is closed: {error}") from error
        try:
            return Reply(call.method.response.FromString(data), len(data))
        except DecodeError as error:
            raise ResponseError(f"the answer is not a {call.method.name} response") from error

    def _connect(self, address: str) -> _Connection:
        with self._lock:
            if self._closed:
                raise FailedPreconditionError("the client is closed")
            if address not in self._connections:
                options = grpc_channels.options(self._config, address)
                if self._config.tls is None:
                    channel = grpc.insecure_channel(address, options)
                else:
                    tls = grpc_channels.credentials(self._config.tls)
                    channel = grpc.secure_channel(address, tls, options)
                self._connections[address] = _Connection(channel)
            return self._connections[address]

    def forget(self, address: str) -> None:
        """Close the channel to an address."""
        with self._lock:
            connection = self._connections.pop(address, None)
        if connection is not None:
            connection.channel.close()

    def close(self) -> None:
        """Close all channels."""
        with self._lock:
            self._closed = True
            connections = list(self._connections.values())
            self._connections.clear()
        for connection in connections:
            connection.channel.close()
        super().close()
