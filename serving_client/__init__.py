"""The TF Serving API for people: no TensorFlow needed.

    from serving_client import Client

    with Client("localhost:8500") as client:
        client.wait_until_ready("sentiment")
        answer = client.predict("sentiment", ["what a day", "meh"])
        answer["score"]           # numpy float32[2]
        answer.text("label")      # ["positive", "negative"]
        answer.version            # the version that answered, e.g. 3

Everything raises a leaf of `ServingError`, whose `code` is the canonical gRPC name. On the command
line: `serving-client predict sentiment "what a day"`; in tests: `serving_client.testing`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from serving_client.config import Ejection, Hedge, Retry, Tls
from serving_client.errors import (
    AbortedError,
    AlreadyExistsError,
    CancelledError,
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    InputError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    ResponseError,
    ServingError,
    SignatureError,
    TensorError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from serving_client.hooks import CallHook, CallRecord

if TYPE_CHECKING:
    from serving_client.aio import AsyncClient
    from serving_client.bulk import Row
    from serving_client.client import Client
    from serving_client.metadata import ModelMetadata, Signature, TensorSpec
    from serving_client.results import (
        Class,
        Classification,
        Prediction,
        Regression,
        Reloaded,
        VersionStatus,
    )
    from serving_client.server_config import ServedModel, ServerConfig

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AsyncClient",
    "CallHook",
    "CallRecord",
    "CancelledError",
    "Class",
    "Classification",
    "Client",
    "DataLossError",
    "DeadlineExceededError",
    "Ejection",
    "FailedPreconditionError",
    "Hedge",
    "InputError",
    "InternalError",
    "InvalidArgumentError",
    "ModelMetadata",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "Prediction",
    "Regression",
    "Reloaded",
    "ResourceExhaustedError",
    "ResponseError",
    "Retry",
    "Row",
    "ServedModel",
    "ServerConfig",
    "ServingError",
    "Signature",
    "SignatureError",
    "TensorError",
    "TensorSpec",
    "Tls",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "VersionStatus",
]

# What takes time to import comes when it is first asked for: who catches an error does not pay for
# protobuf, who asks for a status not for numpy, and a REST user not for gRPC.
_HOME = {
    "aio": ("AsyncClient",),
    "bulk": ("Row",),
    "client": ("Client",),
    "metadata": ("ModelMetadata", "Signature", "TensorSpec"),
    "results": ("Class", "Classification", "Prediction", "Regression", "Reloaded", "VersionStatus"),
    "server_config": ("ServedModel", "ServerConfig"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
