"""Predict, metadata and status over gRPC, from the specification's tables."""

import time

import grpc
import numpy as np
import pytest

from serving_client import protos
from serving_client.services import (
    GET_MODEL_METADATA,
    GET_MODEL_STATUS,
    HEALTH_CHECK,
    PREDICT,
)


@pytest.fixture(scope="module")
def half(models, start):
    return start("--model_name=half", f"--model_base_path={models}/half")


@pytest.fixture(scope="module")
def classic(models, start):
    return start(
        "--model_name=classic",
        f"--model_base_path={models}/classic",
        "--enable_grpc_healthcheck_service",
        "--enable_signature_method_name_check",
        "--enable_serialization_as_tensor_content=true",
    )


def test_answer_names_the_version_and_the_default_signature(half, api):
    response = half.call(PREDICT, api.predict("half", {"x": [[1.0], [3.0]]}))
    assert response.model_spec == api.spec("half", version=2, signature="serving_default")
    assert list(response.outputs["y"].float_val) == [3.5, 4.5]
    assert not response.outputs["y"].tensor_content
    assert [d.size for d in response.outputs["y"].tensor_shape.dim] == [2, 1]


def test_only_the_filtered_outputs_come_back(half, api):
    request = api.predict("half", {"a": [1.0], "b": [2.0]}, signature="both", only=["difference"])
    response = half.call(PREDICT, request)
    assert list(response.outputs) == ["difference"]
    assert response.model_spec.signature_name == "both"


LOOKUP = [
    (lambda api: protos.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    (lambda api: api.predict("", {}), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    (
        lambda api: api.predict("half", {}, label="stable"),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: stable",
    ),
    (
        lambda api: api.predict("nobody", {}, label="stable"),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: stable",
    ),
    (
        lambda api: api.predict("nobody", {}),
        "NOT_FOUND",
        "Servable not found for request: Latest(nobody)",
    ),
    (
        lambda api: api.predict("half", {}, version=1),
        "NOT_FOUND",
        "Servable not found for request: Specific(half, 1)",
    ),
]
X = {"x": [[1.0]]}
REQUESTS = [
    (
        lambda api: api.predict("half", X, signature="no"),
        "FAILED_PRECONDITION",
        'Serving signature key "no" not found.',
    ),
    (
        lambda api: api.predict("half", {}),
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=1 len({}) != len({x}). "
        "Sent extra: {}. Missing but required: {x}.",
    ),
    (
        lambda api: api.predict("half", {**X, "z": [1.0], "w": [1.0]}),
        "INVALID_ARGUMENT",
        "input size does not match signature: 3!=1 len({w,x,z}) != len({x}). "
        "Sent extra: {w,z}. Missing but required: {}.",
    ),
    (
        lambda api: api.predict("half", {"z": [1.0]}),
        "INVALID_ARGUMENT",
        "Signature input alias: x(feed name: serving_default_x:0) not found in request and no "
        "default value provided. Inputs expected to be in the request {z}, "
        "or default input alias set: ",
    ),
    (
        lambda api: api.predict("half", {"x": protos.TensorProto(dtype=0)}),
        "INVALID_ARGUMENT",
        "tensor parsing error: x",
    ),
    (
        lambda api: api.predict("half", {"x": protos.TensorProto(dtype=1, tensor_content=b"abc")}),
        "INVALID_ARGUMENT",
        "tensor parsing error: x",
    ),
    (
        lambda api: api.predict("half", X, only=["z"]),
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
    ),
    (
        lambda api: api.predict("half", X, only=["y", "y"]),
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: y",
    ),
    (
        lambda api: api.predict("half", {"x": api.tensor([True], "?")}),
        "INVALID_ARGUMENT",
        "Expects arg[0] to be float but bool is provided",
    ),
    (
        lambda api: api.predict("half", {"m": [[1.0, 2.0, 3.0]]}, signature="product"),
        "INVALID_ARGUMENT",
        "Matrix size-incompatible: In[0]: [1,3], In[1]: [2,1]\n\t [[{{node ",
    ),
]


@pytest.mark.parametrize(("build", "code", "message"), LOOKUP + REQUESTS)
def test_refused_in_the_words_of_tf_serving(half, api, refused, build, code, message):
    with refused(code, message):
        half.call(PREDICT, build(api))


@pytest.mark.parametrize("letter", ["z", "é"])
def test_a_long_message_is_cut_by_its_bytes(half, api, letter):
    with pytest.raises(grpc.RpcError) as error:
        half.call(PREDICT, api.predict("half", X, only=[letter * 2000]))
    details = error.value.details()
    assert details.startswith(f"output tensor alias not found in signature: {letter * 3}")
    assert details.endswith(f"{letter}...TRUNCATED")
    assert len(details.encode()) == 1024 + len("...TRUNCATED")


def _bomb(**fields):
    proto = protos.TensorProto(**fields)
    for size in (1 << 20, 1 << 20):
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize(
    "bomb", [_bomb(dtype=1), _bomb(dtype=1, float_val=[1.0]), _bomb(dtype=7, string_val=[b"x"])]
)
def test_a_huge_shape_takes_no_memory(half, api, refused, bomb):
    with refused("INVALID_ARGUMENT", "tensor parsing error: x"):
        half.call(PREDICT, api.predict("half", {"x": bomb}), timeout=5)


@pytest.mark.parametrize("shape", [[1], [], [2, 2, 2], [0, 1]])
def test_a_shape_the_graph_can_compute_is_accepted(half, api, shape):
    response = half.call(PREDICT, api.predict("half", {"x": np.ones(shape, np.float32)}))
    assert [d.size for d in response.outputs["y"].tensor_shape.dim] == shape
    assert list(response.outputs["y"].float_val) == [3.5] * int(np.prod(shape))


def test_too_few_values_repeat_the_last(half, api):
    proto = protos.TensorProto(dtype=1, float_val=[1.0, 2.0])
    proto.tensor_shape.dim.add(size=3)
    response = half.call(PREDICT, api.predict("half", {"x": proto}))
    assert list(response.outputs["y"].float_val) == [3.5, 4.0, 4.0]


DTYPES = [
    ("float32", 1, "float_val", [1.5, -2.5]),
    ("float64", 2, "double_val", [1.5, -2.5]),
    ("int32", 3, "int_val", [1, -2]),
    ("uint8", 4, "int_val", [1, 255]),
    ("int16", 5, "int_val", [1, -2]),
    ("int8", 6, "int_val", [1, -2]),
    ("string", 7, "string_val", [b"", b"\xff" * 60]),
    ("complex64", 8, "scomplex_val", [1.0, 2.0, 3.0, 4.0]),
    ("int64", 9, "int64_val", [1 << 60, -2]),
    ("bool", 10, "bool_val", [True, False]),
    ("bfloat16", 14, "half_val", [16256, 49152]),
    ("uint16", 17, "int_val", [1, 65535]),
    ("complex128", 18, "dcomplex_val", [1.0, 2.0, 3.0, 4.0]),
    ("float16", 19, "half_val", [15360, 49152]),
    ("uint32", 22, "uint32_val", [1, 2**32 - 1]),
    ("uint64", 23, "uint64_val", [1, 2**64 - 1]),
]


@pytest.fixture(scope="module")
def dtypes(models, start):
    return start("--model_name=dtypes", f"--model_base_path={models}/dtypes")


@pytest.mark.parametrize(("name", "number", "field", "values"), DTYPES)
def test_every_data_type_travels_in_its_typed_field(dtypes, api, name, number, field, values):
    proto = protos.TensorProto(dtype=number, **{field: values})
    proto.tensor_shape.dim.add(size=2)
    response = dtypes.call(PREDICT, api.predict("dtypes", {"x": proto}, signature=name))
    assert response.outputs["y"] == proto


def test_tables_assets_and_text_ops_work(models, start, api):
    server = start("--model_name=text", f"--model_base_path={models}/text")
    response = server.call(PREDICT, api.predict("text", {"text": ["disk is full", "", "ok"]}))
    assert list(response.outputs["ids"].int64_val) == [0, 3, 1, -1, -1, -1, 2, -1, -1]
    assert list(response.outputs["upper"].string_val) == [b"DISK IS FULL", b"", b"OK"]


def test_a_default_fills_an_input_left_out(classic, api):
    response = classic.call(PREDICT, api.predict("classic", {"a": [1.0]}, signature="with_default"))
    assert np.frombuffer(response.outputs["sum"].tensor_content, "f4").tolist() == [11.0]


def test_a_leftover_name_is_refused_where_there_are_defaults(classic, api, refused):
    with refused("INVALID_ARGUMENT", "Inputs contains invalid name. Used request inputs: "):
        classic.call(
            PREDICT, api.predict("classic", {"a": [1.0], "z": [1.0]}, signature="with_default")
        )


def test_the_method_name_is_checked_when_asked(half, api, refused, models, start):
    server = start(
        "--model_name=half",
        f"--model_base_path={models}/half",
        "--enable_signature_method_name_check",
    )
    with refused("INTERNAL", "Expected prediction signature method_name to be one of {"):
        server.call(PREDICT, api.predict("half", {}, signature="__saved_model_init_op"))
    assert server.call(PREDICT, api.predict("half", X)).outputs


def test_a_variable_that_a_session_leaves_unset_is_refused_when_loading(start, models):
    server = start(
        "--model_name=u",
        f"--model_base_path={models}/uninitialised",
        "--max_num_load_retries=0",
        ready=False,
    )
    assert server.process.wait(60) == 255
    assert (
        "due to error: FAILED_PRECONDITION: 1 variable(s) or table(s) hold no value after loading"
        in server.process.stdout.read()
    )


def test_metadata_lists_every_signature(half, classic, api):
    request = protos.GetModelMetadataRequest(
        model_spec=api.spec("half"), metadata_field=["signature_def"]
    )
    response = half.call(GET_MODEL_METADATA, request)
    assert response.model_spec == api.spec("half", version=2)
    signatures = protos.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    names = {"serving_default", "both", "product", "spin", "__saved_model_init_op"}
    assert set(signatures.signature_def) == names

    request.model_spec.name = "classic"
    classic.call(GET_MODEL_METADATA, request).metadata["signature_def"].Unpack(signatures)
    assert list(signatures.signature_def["with_default"].defaults) == ["b"]


@pytest.mark.parametrize(
    ("name", "fields", "code", "message"),
    [
        ("nobody", [], "INVALID_ARGUMENT", "GetModelMetadataRequest must specify at least one"),
        ("nobody", ["graph"], "INVALID_ARGUMENT", "Metadata field graph is not supported"),
        (
            "nobody",
            ["signature_def"],
            "NOT_FOUND",
            "Servable not found for request: Latest(nobody)",
        ),
    ],
)
def test_metadata_refused(half, api, refused, name, fields, code, message):
    request = protos.GetModelMetadataRequest(model_spec=api.spec(name), metadata_field=fields)
    with refused(code, message):
        half.call(GET_MODEL_METADATA, request)


def test_metadata_needs_a_model(half, refused):
    request = protos.GetModelMetadataRequest(metadata_field=["signature_def"])
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        half.call(GET_MODEL_METADATA, request)


def test_status(half, api, refused):
    def status(**spec):
        request = protos.GetModelStatusRequest(model_spec=api.spec(**spec))
        return half.call(GET_MODEL_STATUS, request)

    entry = status(name="half").model_version_status[0]
    assert (entry.version, entry.state, entry.status.error_code) == (2, 30, 0)
    assert len(status(name="half", label="ignored").model_version_status) == 1
    with refused("NOT_FOUND", "Could not find version 9 of model half"):
        status(name="half", version=9)
    with refused("NOT_FOUND", "Could not find any versions of model nobody"):
        status(name="nobody")
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        half.call(GET_MODEL_STATUS, protos.GetModelStatusRequest())


def test_health_only_when_asked(half, classic, refused):
    for name in ("", "ModelService", "PredictionService"):
        answer = classic.call(HEALTH_CHECK, protos.HealthCheckRequest(service=name))
        assert answer.status == 1
    with refused("UNIMPLEMENTED", ""):
        half.call(HEALTH_CHECK, protos.HealthCheckRequest())


def test_a_deadline_ends_the_run(half, api):
    steps = protos.TensorProto(dtype=3, int_val=[200_000])
    steps.tensor_shape.SetInParent()
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as error:
        half.call(PREDICT, api.predict("half", {"steps": steps}, signature="spin"), timeout=1)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # The run itself was stopped too: the next one does not wait for it.
    half.call(PREDICT, api.predict("half", X), timeout=5)
    assert time.monotonic() - began < 6


def test_garbage_is_refused_without_a_traceback(half):
    call = half.channel.unary_unary(PREDICT.path)
    with pytest.raises(grpc.RpcError) as error:
        call(b"\xff\xff\xff garbage", timeout=5)
    assert error.value.code() is grpc.StatusCode.INTERNAL
    assert not [line for line in half.lines if "Traceback" in line]
