"""Which RPC is answered by what."""

from __future__ import annotations

from typing import Any

import grpc

from model_server.core.calls import Calls
from model_server.errors import NotFoundError
from model_server.grpc_api import unary
from serving_client import protos, services

_HEALTHY = ("", "ModelService", "PredictionService")


def handlers(calls: Calls, health: bool) -> list[tuple[str, str, grpc.RpcMethodHandler]]:
    """Every RPC this server answers; `health` adds the health service."""
    listed = [
        unary(services.PREDICT, calls.counted("Predict", "GRPC", calls.predict)),
        unary(services.CLASSIFY, calls.counted("Classify", "GRPC", calls.classify)),
        unary(services.REGRESS, calls.counted("Regress", "GRPC", calls.regress)),
        unary(services.MULTI_INFERENCE, calls.multi_inference),
        unary(services.GET_MODEL_METADATA, calls.metadata),
        unary(services.GET_MODEL_STATUS, calls.status),
        unary(services.HANDLE_RELOAD_CONFIG, calls.reload),
    ]
    if health:
        listed.append(unary(services.HEALTH_CHECK, _health))
    return listed


def _health(request: Any, _: int | None) -> Any:
    if request.service not in _HEALTHY:
        raise NotFoundError("service name unknown")
    return protos.HealthCheckResponse(status="SERVING")
