"""Which RPC of TF Serving's own services is answered by what."""

from __future__ import annotations

from model_server.core.calls import Calls
from model_server.grpc_api import MethodHandler, unary
from serving_client import services


def handlers(calls: Calls) -> list[MethodHandler]:
    """The prediction service and the model service."""
    return [
        unary(services.PREDICT, calls.counted("Predict", "GRPC", calls.predict)),
        unary(services.CLASSIFY, calls.counted("Classify", "GRPC", calls.classify)),
        unary(services.REGRESS, calls.counted("Regress", "GRPC", calls.regress)),
        unary(services.MULTI_INFERENCE, calls.multi_inference),
        unary(services.GET_MODEL_METADATA, calls.metadata),
        unary(services.GET_MODEL_STATUS, calls.status),
        unary(services.HANDLE_RELOAD_CONFIG, calls.reload),
    ]
