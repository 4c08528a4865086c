"""The gRPC services: bytes in, bytes out; what a call means is in `core`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from model_server.errors import InternalError, StartError, StatusError
from serving_client.services import Method

log = logging.getLogger(__name__)

# A parsed request and the milliseconds its caller waits (None: no limit) to a response.
Handler = Callable[[Any, int | None], Any]
# Service, method, and what answers it.
MethodHandler = tuple[str, str, grpc.RpcMethodHandler]

MAX_MESSAGE_BYTES = 1024
# A call that waits, for its turn or in a batch, holds a thread; threads that wait cost little.
MIN_THREADS = 256
# Calls beyond this many are refused at once instead of piling up.
MAX_CALLS = 4096
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True)
class Endpoint:
    """Where gRPC listens and how: on a TCP `port` of `host` unless it is None, and on a UNIX
    socket unless `socket_path` is empty, both with the same `credentials` (None: plain).
    """

    host: str
    port: int | None
    socket_path: str = ""
    threads: int = MIN_THREADS
    arguments: Sequence[tuple[str, Any]] = ()
    credentials: grpc.ServerCredentials | None = None

    def on_port(self, port: int | None) -> Endpoint:
        """The same on this port."""
        return replace(self, port=port)


def unary(method: Method, handler: Handler) -> MethodHandler:
    """A handler of parsed messages as gRPC wants it."""
    parse = method.request.FromString

    def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            request = parse(data)
        except DecodeError as error:
            raise InternalError(f"Failed to parse {method.name} request") from error
        return handler(request, timeout_ms(context)).SerializeToString()

    return raw_unary(method.service, method.name, answer)


def raw_unary(
    service: str, name: str, handler: Callable[[bytes, grpc.ServicerContext], bytes]
) -> MethodHandler:
    """A handler of serialized messages as gRPC wants it; it may raise StatusError."""

    def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return handler(data, context)
        except Exception as error:
            abort(context, name, error)

    return service, name, grpc.unary_unary_rpc_method_handler(answer)


def abort(context: grpc.ServicerContext, name: str, error: Exception) -> NoReturn:
    """End a call of the method `name` with what an error stands for."""
    if isinstance(error, StatusError):
        context.abort(_CODES[error.number], shorten(error.message))
    log.error("%s failed in a way that it must not", name, exc_info=error)
    context.abort(grpc.StatusCode.INTERNAL, f"{name} failed; see the server's log")


def timeout_ms(context: grpc.ServicerContext) -> int | None:
    """What is left of the caller's deadline in milliseconds; None when there is none."""
    seconds = context.time_remaining()
    # gRPC reports a call without deadline as one some centuries away.
    return None if seconds is None or seconds > 1e9 else int(seconds * 1000)


def shorten(message: str) -> str:
    """Error texts longer than 1024 bytes are cut, as TF Serving does.

    gRPC writes a byte beyond ASCII as three, and clients refuse headers of more than 8 KiB.
    """
    data = message.encode("utf-8", "replace")
    if len(data) <= MAX_MESSAGE_BYTES:
        return message
    return data[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore") + "...TRUNCATED"


class GrpcServer:
    """A gRPC server bound to its ports on creation and answering from `start` to `stop`."""

    def __init__(
        self,
        endpoint: Endpoint,
        handlers: Sequence[MethodHandler],
    ) -> None:
        options = {
            "grpc.max_receive_message_length": -1,
            "grpc.max_send_message_length": -1,
            "grpc.so_reuseport": 0,  # a second server on the port fails instead of sharing it
            **dict(endpoint.arguments),
        }
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max(endpoint.threads, MIN_THREADS), "grpc"),
            options=list(options.items()),
            maximum_concurrent_rpcs=MAX_CALLS,
        )
        services: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        for service, name, handler in handlers:
            services.setdefault(service, {})[name] = handler
        self._server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(*item) for item in services.items())
        )
        self.addresses = tuple(self._bind(endpoint))

    def start(self) -> None:
        """Answer calls."""
        self._server.start()
        for address in self.addresses:
            kind = "UNIX socket " if address.startswith("unix:") else ""
            log.info("Running gRPC ModelServer at %s%s ...", kind, address.removeprefix("unix:"))

    def stop(self, grace_seconds: float) -> None:
        """Accept nothing new, let running calls finish for that long, then cancel them."""
        self._server.stop(grace_seconds).wait()

    def _bind(self, endpoint: Endpoint) -> list[str]:
        bound = []
        if endpoint.port is not None:
            port = self._add(f"{endpoint.host}:{endpoint.port}", endpoint.credentials)
            bound.append(f"{endpoint.host}:{port}")
        if endpoint.socket_path:
            self._add(f"unix:{endpoint.socket_path}", endpoint.credentials)
            bound.append(f"unix:{endpoint.socket_path}")
        return bound

    def _add(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        try:
            if credentials is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise StartError(
                f"Failed to BuildAndStart gRPC server: cannot listen on {address}",
                "stop what is listening there, or choose another with --port or --grpc_socket_path",
            ) from error
