"""Classify, Regress and MultiInference, from the specification's tables."""

import pytest

from serving_client import protos
from serving_client.services import CLASSIFY, MULTI_INFERENCE, REGRESS


@pytest.fixture(scope="module")
def server(models, start):
    return start("--model_name=classic", f"--model_base_path={models}/classic")


@pytest.fixture(scope="module")
def strict(models, start):
    return start(
        "--model_name=classic",
        f"--model_base_path={models}/classic",
        "--enable_signature_method_name_check=true",
    )


def example(**features):
    made = protos.Example()
    for name, values in features.items():
        kind = "bytes_list" if isinstance(values[0], bytes) else "float_list"
        getattr(made.features.feature[name], kind).value.extend(values)
    return made


def examples(*values):
    return [example(x=[value]) for value in values]


def request(api, kind, items, signature=None, context=None):
    message = kind(model_spec=api.spec("classic", signature=signature))
    if context is not None:
        message.input.example_list_with_context.context.CopyFrom(context)
        message.input.example_list_with_context.examples.extend(items)
    else:
        message.input.example_list.examples.extend(items)
    return message


def classification(api, items, signature="classify", **kwargs):
    return request(api, protos.ClassificationRequest, items, signature, **kwargs)


def regression(api, items, signature=None, **kwargs):
    return request(api, protos.RegressionRequest, items, signature, **kwargs)


def test_classify(server, api):
    response = server.call(CLASSIFY, classification(api, examples(0.25, 0.125)))
    rows = [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]
    assert rows == [[("low", 0.5), ("high", 0.5)], [("low", 0.75), ("high", 0.25)]]
    assert response.model_spec == api.spec("classic", version=123, signature="classify")


@pytest.mark.parametrize(
    ("signature", "row"),
    [("scores_only", [("", 0.5), ("", 0.5)]), ("classes_only", [("low", 0.0), ("high", 0.0)])],
)
def test_classify_with_half_of_the_outputs(server, api, signature, row):
    response = server.call(CLASSIFY, classification(api, examples(0.25), signature))
    assert [(c.label, c.score) for c in response.result.classifications[0].classes] == row


@pytest.mark.parametrize("signature", [None, "regress_flat", "regress_by_predict"])
def test_regress(server, api, signature):
    response = server.call(REGRESS, regression(api, examples(1.5, 2.0), signature))
    assert [r.value for r in response.result.regressions] == [3.0, 4.0]
    assert response.model_spec.signature_name == (signature or "serving_default")


def test_a_context_is_merged_and_the_example_wins(server, api):
    items = [protos.Example(), example(x=[5.0])]
    message = regression(api, items, context=example(x=[1.0]))
    response = server.call(REGRESS, message)
    assert [r.value for r in response.result.regressions] == [2.0, 10.0]


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("absent", "No signature was found with the name: absent"),
        ("two_inputs", "Expected one input Tensor."),
        ("three_outputs", "Expected one or two output Tensors, found 3"),
        ("no_inputs_alias", "No classification inputs found in SignatureDef: "),
        ("other_outputs", "Expected classification signature outputs to contain at least one of"),
        ("wrong_rank", "Expected Tensor shape: [batch_size num_classes] but got [1]"),
        ("wrong_class_type", "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
        ("wrong_score_type", "Expected scores Tensor of DT_FLOAT. Got: DT_STRING"),
        ("wrong_batch", "Expected scores output batch size of 1. Got: 2"),
        ("wrong_width", "Tensors class and score should match in dim_size(1). Got 2 vs. 1"),
    ],
)
def test_classify_refused(server, api, refused, signature, message):
    with refused("INVALID_ARGUMENT", message):
        server.call(CLASSIFY, classification(api, examples(1.0), signature))


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("absent", "No signature was found with the name: absent"),
        ("two_inputs", "Expected one input Tensor."),
        ("classify", "Expected one output Tensor."),
        ("no_inputs_alias", "No regression inputs found in SignatureDef: "),
        ("other_outputs", "No regression outputs found in SignatureDef: "),
        ("regress_wrong_rank", "Expected output Tensor shape to be either [batch_size] or [batch"),
        ("regress_wrong_batch", "Input batch size did not match output batch size: 1 vs. 2"),
        ("regress_wrong_type", "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
        ("float_inputs", "Expects arg[0] to be float but string is provided"),
    ],
)
def test_regress_refused(server, api, refused, signature, message):
    with refused("INVALID_ARGUMENT", message):
        server.call(REGRESS, regression(api, examples(1.0), signature))


def test_the_method_name_when_checked(strict, api, refused):
    with refused(
        "INVALID_ARGUMENT",
        "Expected classification signature method_name to be tensorflow/serving/classify. "
        "Was: tensorflow/serving/predict",
    ):
        strict.call(CLASSIFY, classification(api, examples(1.0), "three_outputs"))
    with refused("INVALID_ARGUMENT", "Expected regression signature method_name to be"):
        strict.call(REGRESS, regression(api, examples(1.0), "regress_by_predict"))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "Input is empty."),
        (
            [protos.Example()],
            "Name: <unknown>, Feature: x (data type: float) is required but could not be found.",
        ),
        ([example(x=[b"text"])], "Name: <unknown>, Key: x, Index: 0.  Data types don't match."),
        ([example(x=[1.0, 2.0])], "Name: <unknown>, Key: x, Index: 0.  Number of float values !="),
    ],
)
def test_bad_examples(server, api, refused, items, message):
    with refused("INVALID_ARGUMENT", message):
        server.call(REGRESS, regression(api, items))
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        server.call(REGRESS, protos.RegressionRequest())
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        server.call(CLASSIFY, protos.ClassificationRequest())


def multi(api, *tasks):
    message = protos.MultiInferenceRequest()
    for name, signature, kind in tasks:
        task = message.tasks.add(method_name=f"tensorflow/serving/{kind}")
        task.model_spec.CopyFrom(api.spec(name, signature=signature))
    message.input.example_list.examples.extend(examples(0.25))
    return message


def test_multi_inference(server, api):
    tasks = [("classic", None, "regress"), ("classic", "classify", "classify")]
    response = server.call(MULTI_INFERENCE, multi(api, *tasks))
    regressed, classified = response.results
    assert regressed.regression_result.regressions[0].value == 0.5
    labels = [c.label for c in classified.classification_result.classifications[0].classes]
    assert labels == ["low", "high"]
    assert classified.model_spec == api.spec("classic", version=123, signature="classify")


def test_only_the_first_task_chooses_the_version(server, api, refused):
    message = multi(api, R, ("classic", "classify", "classify"))
    message.tasks[1].model_spec.version.value = 9
    assert len(server.call(MULTI_INFERENCE, message).results) == 2
    message.tasks[0].model_spec.version.value = 9
    with refused("NOT_FOUND", "Servable not found for request: Specific(classic, 9)"):
        server.call(MULTI_INFERENCE, message)


def test_multi_inference_needs_examples_too(server, api, refused):
    message = multi(api, R)
    message.ClearField("input")
    with refused("INVALID_ARGUMENT", "Input is empty."):
        server.call(MULTI_INFERENCE, message)


R = ("classic", None, "regress")


@pytest.mark.parametrize(
    ("tasks", "code", "message"),
    [
        ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ([R, ("", None, "regress")], "INVALID_ARGUMENT", "Found ModelSpec with an empty model"),
        ([R, ("b", None, "regress")], "INVALID_ARGUMENT", "All ModelSpecs in a MultiInferenceReq"),
        ([R, R], "INVALID_ARGUMENT", "Duplicate evaluation of signature: serving_default"),
        (
            [("classic", "no", "regress")],
            "INVALID_ARGUMENT",
            "Requested signature not found in model graph: no",
        ),
        (
            [R, ("classic", "two_inputs", "classify")],
            "INVALID_ARGUMENT",
            "Expected one input Tensor.",
        ),
        (
            [R, ("classic", "other_outputs", "regress")],
            "INVALID_ARGUMENT",
            "No regression outputs found in SignatureDef: ",
        ),
        (
            [("classic", None, "predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
        ([("nobody", None, "regress")], "NOT_FOUND", "Servable not found for request: Latest"),
    ],
)
def test_multi_inference_refused(server, api, refused, tasks, code, message):
    with refused(code, message):
        server.call(MULTI_INFERENCE, multi(api, *tasks))


def test_official_stubs_understand_us(server):
    import grpc
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        model_service_pb2_grpc,
        prediction_service_pb2_grpc,
    )
    from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest

    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server.address))
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "classic"
    request.model_spec.signature_name = "classify"
    added = request.input.example_list.examples.add()
    added.features.feature["x"].float_list.value.append(0.25)
    assert stub.Classify(request).result.classifications[0].classes[1].label == "high"
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "classic"
    found = get_model_metadata_pb2.SignatureDefMap()
    assert stub.GetModelMetadata(asked).metadata["signature_def"].Unpack(found)
    assert "classify" in found.signature_def
    status = GetModelStatusRequest()
    status.model_spec.name = "classic"
    models = model_service_pb2_grpc.ModelServiceStub(grpc.insecure_channel(server.address))
    assert models.GetModelStatus(status).model_version_status[0].version == 123
