"""The messages of the TF Serving API, under their own names, without TensorFlow.

    from serving_client import protos
    request = protos.PredictRequest(model_spec={"name": "m"})

Besides every message of `tensorflow.serving` there are the TensorFlow ones it uses (`TensorProto`,
`Example`, `SignatureDef`, …), `google.protobuf` wrappers and `Any`, and `HealthCheckRequest` /
`HealthCheckResponse`. Enumerations are `DataType`, `ErrorCode`, `ModelVersionState`,
`ServingStatus`; the members of `DataType` are also here as `DT_FLOAT` and so on.

They live in the private `POOL`: give that pool to `json_format` or `text_format` where an `Any`
must be resolved. They are not the classes of `tensorflow_serving.apis`, but the same bytes on the
wire.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from serving_client.protos.build import build_pool

POOL, CLASSES = build_pool()

DataType = EnumTypeWrapper(POOL.FindEnumTypeByName("tensorflow.DataType"))
ErrorCode = EnumTypeWrapper(POOL.FindEnumTypeByName("tensorflow.error.Code"))
ModelVersionState = EnumTypeWrapper(
    POOL.FindEnumTypeByName("tensorflow.serving.ModelVersionStatus.State")
)
ServingStatus = EnumTypeWrapper(
    POOL.FindEnumTypeByName("grpc.health.v1.HealthCheckResponse.ServingStatus")
)

_BY_SHORT_NAME: dict[str, Any] = {
    cls.DESCRIPTOR.name: cls for cls in CLASSES.values() if cls.DESCRIPTOR.containing_type is None
}
_BY_SHORT_NAME.update(DataType.items())
globals().update(_BY_SHORT_NAME)  # quicker than asking `__getattr__` at every use


def __getattr__(name: str) -> Any:  # also tells type checkers that there are such names
    raise AttributeError(f"serving_client.protos has no message {name!r}")
