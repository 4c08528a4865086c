"""Which RPC is answered by what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from model_server.core.lookup import Lookup
from model_server.core.metadata import model_metadata
from model_server.core.predict import predict
from model_server.core.status import model_status
from model_server.errors import NotFoundError
from model_server.grpc_api import timeout_ms, unary
from model_server.versions.states import Board
from serving_client import protos, services

_HEALTHY = ("", "ModelService", "PredictionService")


@dataclass(frozen=True)
class Services:
    """The handlers over one set of models."""

    lookup: Lookup
    board: Board
    check_method: bool = False
    as_content: bool = False
    health: bool = False

    def handlers(self) -> list[tuple[str, str, grpc.RpcMethodHandler]]:
        """Every RPC this server answers."""
        handlers = [
            unary(services.PREDICT, self._predict),
            unary(services.GET_MODEL_METADATA, self._metadata),
            unary(services.GET_MODEL_STATUS, self._status),
        ]
        if self.health:
            handlers.append(unary(services.HEALTH_CHECK, _health))
        return handlers

    def _predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self.lookup.lend(request) as servable:
            return predict(
                servable,
                request,
                timeout_ms=timeout_ms(context),
                check_method=self.check_method,
                as_content=self.as_content,
            )

    def _metadata(self, request: Any, _: grpc.ServicerContext) -> Any:
        return model_metadata(self.lookup, request)

    def _status(self, request: Any, _: grpc.ServicerContext) -> Any:
        return model_status(self.board, request)


def _health(request: Any, _: grpc.ServicerContext) -> Any:
    if request.service not in _HEALTHY:
        raise NotFoundError("service name unknown")
    return protos.HealthCheckResponse(status="SERVING")
