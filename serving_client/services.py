"""The RPCs of TF Serving as a table, for clients and servers alike.

`METHODS["Predict"].path` is `/tensorflow.serving.PredictionService/Predict`; request and response
are the classes of `serving_client.protos`. All are unary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from serving_client import protos


@dataclass(frozen=True)
class Method:
    """One unary RPC: where it lives and what it carries."""

    service: str
    name: str
    request: Any
    response: Any

    @cached_property
    def path(self) -> str:
        """The path on the wire, `/service/name`."""
        return f"/{self.service}/{self.name}"


PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
HEALTH_SERVICE = "grpc.health.v1.Health"

PREDICT = Method(PREDICTION_SERVICE, "Predict", protos.PredictRequest, protos.PredictResponse)
CLASSIFY = Method(
    PREDICTION_SERVICE, "Classify", protos.ClassificationRequest, protos.ClassificationResponse
)
REGRESS = Method(PREDICTION_SERVICE, "Regress", protos.RegressionRequest, protos.RegressionResponse)
MULTI_INFERENCE = Method(
    PREDICTION_SERVICE,
    "MultiInference",
    protos.MultiInferenceRequest,
    protos.MultiInferenceResponse,
)
GET_MODEL_METADATA = Method(
    PREDICTION_SERVICE,
    "GetModelMetadata",
    protos.GetModelMetadataRequest,
    protos.GetModelMetadataResponse,
)
GET_MODEL_STATUS = Method(
    MODEL_SERVICE, "GetModelStatus", protos.GetModelStatusRequest, protos.GetModelStatusResponse
)
HANDLE_RELOAD_CONFIG = Method(
    MODEL_SERVICE,
    "HandleReloadConfigRequest",
    protos.ReloadConfigRequest,
    protos.ReloadConfigResponse,
)
HEALTH_CHECK = Method(
    HEALTH_SERVICE, "Check", protos.HealthCheckRequest, protos.HealthCheckResponse
)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        PREDICT,
        CLASSIFY,
        REGRESS,
        MULTI_INFERENCE,
        GET_MODEL_METADATA,
        GET_MODEL_STATUS,
        HANDLE_RELOAD_CONFIG,
        HEALTH_CHECK,
    )
}
