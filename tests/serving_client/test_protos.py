"""Our descriptors against the official ones, field by field."""

from __future__ import annotations

import subprocess
import sys

import pytest
from google.protobuf import descriptor_pb2, text_format

from serving_client import protos

ABSENT_UPSTREAM = {  # the wheel leaves these messages out
    "tensorflow.serving.SSLConfig",
    "tensorflow.serving.PrometheusConfig",
    "tensorflow.serving.MonitoringConfig",
    "tensorflow.serving.BatchingParameters",
}
LEFT_OUT_HERE = {
    "tensorflow.serving.SessionRunRequest.options",
    "tensorflow.serving.SessionRunResponse.metadata",
}


@pytest.fixture(scope="module")
def official(tf):
    pytest.importorskip("tensorflow_serving")
    from google.protobuf import descriptor_pool
    from tensorflow_serving.apis import (  # noqa: F401
        model_service_pb2,
        prediction_log_pb2,
        prediction_service_pb2,
    )

    return descriptor_pool.Default()


def copy(descriptor):
    proto = descriptor_pb2.DescriptorProto()
    descriptor.CopyToProto(proto)
    return proto


def facts(message):
    oneofs = [oneof.name for oneof in message.oneof_decl]
    return {
        f.name: (
            f.number,
            f.type,
            f.label,
            f.type_name,
            f.proto3_optional,
            oneofs[f.oneof_index] if f.HasField("oneof_index") else None,
        )
        for f in message.field
    }


def ours():
    return sorted(
        name
        for name in protos.CLASSES
        if name.startswith("tensorflow.") and name not in ABSENT_UPSTREAM
    )


def test_every_field_is_the_official_one(official):
    for name in ours():
        theirs = facts(copy(official.FindMessageTypeByName(name)))
        mine = facts(copy(protos.POOL.FindMessageTypeByName(name)))
        left_out = {field for field in theirs if f"{name}.{field}" in LEFT_OUT_HERE}
        assert mine == {key: value for key, value in theirs.items() if key not in left_out}, name


def test_every_enum_is_the_official_one(official):
    for name in (
        "tensorflow.DataType",
        "tensorflow.error.Code",
        "tensorflow.TypeSpecProto.TypeSpecClass",
        "tensorflow.serving.ModelVersionStatus.State",
        "tensorflow.serving.ModelType",
        "tensorflow.serving.SamplingConfig.Attributes",
        "tensorflow.serving.PredictStreamedOptions.RequestState",
        "tensorflow.serving.PredictRequest.RequestOptions.DeterministicMode",
    ):
        theirs = official.FindEnumTypeByName(name)
        mine = protos.POOL.FindEnumTypeByName(name)
        assert [(v.name, v.number) for v in mine.values] == [
            (v.name, v.number) for v in theirs.values
        ], name


def test_nothing_of_the_api_packages_is_missing(official):
    for path in ("apis/prediction_service", "apis/model_service", "apis/prediction_log"):
        file = official.FindFileByName(f"tensorflow_serving/{path}.proto")
        for dependency in [file, *file.dependencies]:
            if not dependency.name.startswith("tensorflow_serving/"):
                continue
            for message in dependency.message_types_by_name.values():
                assert message.full_name in protos.CLASSES


def test_every_method_is_the_official_one(official):
    from serving_client.services import METHODS

    for method in METHODS.values():
        if method.service.startswith("grpc."):
            continue
        theirs = official.FindServiceByName(method.service).methods_by_name[method.name]
        assert theirs.input_type.full_name == method.request.DESCRIPTOR.full_name
        assert theirs.output_type.full_name == method.response.DESCRIPTOR.full_name
        assert method.path == f"/{method.service}/{method.name}"


def test_health_is_the_official_one():
    health = pytest.importorskip("grpc_health.v1.health_pb2")
    for name in ("HealthCheckRequest", "HealthCheckResponse"):
        theirs = facts(copy(getattr(health, name).DESCRIPTOR))
        assert facts(copy(getattr(protos, name).DESCRIPTOR)) == theirs


def test_same_bytes_as_the_official_classes(official):
    from tensorflow_serving.apis import predict_pb2

    mine = protos.PredictRequest(output_filter=["a"])
    mine.model_spec.name = "m"
    mine.model_spec.version.value = 7
    mine.inputs["x"].float_val.append(1.5)
    theirs = predict_pb2.PredictRequest.FromString(mine.SerializeToString())
    assert theirs.model_spec.version.value == 7
    assert theirs.SerializeToString() == mine.SerializeToString()


def test_text_format_and_any_work_in_the_private_pool():
    config = text_format.Parse(
        'model_config_list { config { name: "m" base_path: "/m" model_platform: "tensorflow" '
        "model_version_policy { specific { versions: 3 } } "
        'version_labels { key: "stable" value: 3 } } }',
        protos.ModelServerConfig(),
        descriptor_pool=protos.POOL,
    )
    assert config.model_config_list.config[0].version_labels["stable"] == 3
    batching = text_format.Parse("max_batch_size { value: 128 }", protos.BatchingParameters())
    assert batching.max_batch_size.value == 128
    answer = protos.GetModelMetadataResponse()
    signatures = protos.SignatureDefMap()
    signatures.signature_def["serving_default"].method_name = "tensorflow/serving/predict"
    answer.metadata["signature_def"].Pack(signatures)
    unpacked = protos.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(unpacked)
    assert unpacked == signatures


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no message 'Nonsense'"):
        protos.Nonsense  # noqa: B018
    assert protos.DT_HALF == 19
    assert "PredictRequest" in dir(protos)


def test_import_brings_no_tensorflow():
    code = (
        "import sys, serving_client.tensors, serving_client.services;"
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('tensorflow', 'tensorflow_serving', 'apache_beam', 'pydantic', 'rich')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
