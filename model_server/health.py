"""The health service of gRPC: TF Serving's names, and each model's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from model_server.errors import NotFoundError, ResourceExhaustedError
from model_server.grpc_api import MethodHandler, abort, unary
from model_server.versions.states import Board, State, VersionState
from serving_client import protos, services

_NAMES = ("", "ModelService", "PredictionService")
# Each holds a thread, but none of those that answer calls.
MAX_WATCHERS = 256


class Health:
    """What serves: TF Serving's own names while the server does, a model while a version does.

    A model's name is NOT_SERVING while the model is known and no version of it is available.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._stopping = False
        self._watchers: set[grpc.ServicerContext] = set()
        self._pool = ThreadPoolExecutor(MAX_WATCHERS + 1, "health")

    def handlers(self) -> list[MethodHandler]:
        """`Check` and `Watch` as gRPC wants them."""

        def watch(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                yield from self._watch(request.service, context)
            except Exception as error:
                abort(context, "Watch", error)

        # How gRPC's own health service, too, keeps its watchers out of the server's pool.
        watch.experimental_thread_pool = self._pool  # type: ignore[attr-defined]
        streamed = grpc.unary_stream_rpc_method_handler(
            watch,
            protos.HealthCheckRequest.FromString,
            protos.HealthCheckResponse.SerializeToString,
        )
        check = unary(services.HEALTH_CHECK, self._check)
        return [check, (services.HEALTH_SERVICE, "Watch", streamed)]

    def stop(self) -> None:
        """Nothing serves any more: watchers are told so, and their calls end."""
        self._stopping = True
        self._board.wake()

    def _check(self, request: Any, _: int | None) -> Any:
        status = self._status(request.service, self._board.versions(request.service))
        if status == "SERVICE_UNKNOWN":
            raise NotFoundError("service name unknown")
        return protos.HealthCheckResponse(status=status)

    def _watch(self, name: str, context: grpc.ServicerContext) -> Iterator[Any]:
        if len(self._watchers) >= MAX_WATCHERS:
            raise ResourceExhaustedError(f"{MAX_WATCHERS} callers watch already")
        self._watchers.add(context)
        context.add_callback(self._board.wake)
        told, status = "", ""

        def news(states: Any) -> bool:
            nonlocal status
            status = self._status(name, states.get(name, {}).values())
            return status != told or self._stopping or not context.is_active()

        try:
            last = False
            while context.is_active() and not last:
                # Asked before the look: who is told last is told what holds from then on.
                last = self._stopping
                self._board.wait(news)
                if status != told:
                    told = status
                    yield protos.HealthCheckResponse(status=told)
        finally:
            self._watchers.discard(context)

    def _status(self, name: str, versions: Iterable[VersionState]) -> str:
        states = {version.state for version in versions}
        if name not in _NAMES and not states:
            return "SERVICE_UNKNOWN"
        serving = name in _NAMES or State.AVAILABLE in states
        return "SERVING" if serving and not self._stopping else "NOT_SERVING"
