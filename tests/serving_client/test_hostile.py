"""Answers bent out of shape at random: results or ServingErrors, never anything else."""

from __future__ import annotations

import contextlib
import json
import random

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from serving_client import ServingError, metadata, protos, responses, rest_json, results, services
from serving_client.calls import Call, Target
from serving_client.examples import to_input
from serving_client.testing import FakeServer
from serving_client.testing.answers import Answers
from serving_client.testing.specs import tensor_info

MANY = {
    "a": np.ones((2, 3), np.float32),
    "b": ["x", "y"],
    "c": np.array([1, -2]),
    "d": np.array([True]),
    "e": np.ones(2, np.complex64),
    "h": np.ones(3, np.float16),
}


def answers():
    """A good answer of each RPC, and what reads it."""
    server = FakeServer()
    server.add("m", lambda _: MANY, outputs={"a": "float[2,3]"})
    examples = {"inputs": "string[?]"}
    server.add("e", lambda _: {"scores": [[0.1, 0.2]]}, inputs=examples, method="classify")
    server.add("e", lambda _: {"outputs": [1]}, inputs=examples, signature="r", method="regress")
    ask = Answers(server.store)
    given = to_input({"a": 1})
    regress = {"name": "e", "signature_name": "r"}
    predict = protos.PredictRequest(model_spec={"name": "m"})
    predict.inputs["text"].dtype = protos.DT_STRING
    several = protos.MultiInferenceRequest(input=given)
    several.tasks.add(model_spec=regress, method_name="tensorflow/serving/regress")
    model = {"model_spec": {"name": "m"}}
    asked = protos.GetModelMetadataRequest(metadata_field=["signature_def"], **model)
    return [
        (ask.Predict(predict), responses.prediction),
        (
            ask.Classify(protos.ClassificationRequest(model_spec={"name": "e"}, input=given)),
            lambda message: responses.classification(message).best(),
        ),
        (
            ask.Regress(protos.RegressionRequest(model_spec=regress, input=given)),
            responses.regression,
        ),
        (ask.MultiInference(several), responses.multi_inference),
        (ask.GetModelMetadata(asked), metadata.metadata),
        (ask.GetModelStatus(protos.GetModelStatusRequest(**model)), results.version_statuses),
    ]


def bent(data, source):
    data = bytearray(data)
    for _ in range(source.randint(1, 4)):
        where = source.randrange(len(data) + 1)
        kind = source.random()
        if kind < 0.6:
            data[where : where + 1] = [source.choice([0, 1, 127, 128, 255, source.randrange(256)])]
        elif kind < 0.8:
            del data[where : where + 1]
        else:
            data.insert(where, source.randrange(256))
    return bytes(data)


def test_bytes_over_grpc():
    source = random.Random(5)
    good = answers()
    read = 0
    for _ in range(20_000):
        message, decode = source.choice(good)
        try:
            found = type(message).FromString(bent(message.SerializeToString(), source))
        except DecodeError:
            continue
        read += 1
        with contextlib.suppress(ServingError):
            repr(decode(found))
    assert read > 1000


def documents():
    """A good answer of each call over REST."""
    definitions = protos.SignatureDefMap()
    outputs = definitions.signature_def["serving_default"].outputs
    for name, spec in {"a": "float[?,2]", "b": "string[?]", "c": "int64[?]", "d": "bool[]"}.items():
        outputs[name].CopyFrom(tensor_info(name, spec))
    known = metadata.signatures(definitions)["serving_default"]
    target = Target("m")
    request = protos.PredictRequest(model_spec={"name": "m"})
    values = {"a": [[1.0, 2.0]], "b": ["x", {"b64": "eHk="}], "c": [1, 2], "d": True}
    status = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK"}}
    tensor = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}, "name": "x:0"}
    signature = {"inputs": {"x": tensor}, "outputs": {}, "method_name": "p"}
    model = {"model_spec": {"name": "m", "version": "1"}}
    return [
        (
            Call(services.PREDICT, request, responses.prediction, target, None, known),
            {"outputs": values},
        ),
        (
            Call(
                services.CLASSIFY, protos.ClassificationRequest(), responses.classification, target
            ),
            {"results": [[["a", 0.5], ["b", 0.25]]]},
        ),
        (
            Call(services.REGRESS, protos.RegressionRequest(), responses.regression, target),
            {"results": [1.5, 2]},
        ),
        (
            Call(services.GET_MODEL_STATUS, None, results.version_statuses, target),
            {"model_version_status": [status]},
        ),
        (
            Call(services.GET_MODEL_METADATA, None, metadata.metadata, target),
            {**model, "metadata": {"signature_def": {"signature_def": {"s": signature}}}},
        ),
    ]


JUNK = [
    None, 1, -1, 1.5, 1e308, 10**400, 2**63, -(2**63) - 1, float("nan"), "x", "", "\ud800", True,
    [], {}, [[]], [1, "a", None], {"b64": "%%"}, {"b64": 1}, {"x": {}},
]  # fmt: skip


def mixed_up(value, source):
    if source.random() < 0.12:
        return source.choice(JUNK)
    if isinstance(value, list):
        return [mixed_up(each, source) for each in value if source.random() > 0.06]
    if isinstance(value, dict):
        return {k: mixed_up(each, source) for k, each in value.items() if source.random() > 0.06}
    return value


def test_documents_over_rest():
    source = random.Random(5)
    good = documents()
    for call, document in good:
        call.decode(rest_json.response(call, json.dumps(document).encode()))
    for _ in range(10_000):
        call, document = source.choice(good)
        body = json.dumps(mixed_up(document, source)).encode()
        with contextlib.suppress(ServingError):
            repr(call.decode(rest_json.response(call, body)))


@pytest.mark.parametrize("depth", [900, 3000, 100_000])
def test_deep_documents(depth):
    call, _ = documents()[0]
    deep = "[" * depth + "]" * depth
    body = f'{{"outputs": {{"a": {deep}, "b": {deep}, "c": [], "d": true}}}}'
    with pytest.raises(ServingError):
        rest_json.response(call, body.encode())
