"""tf.Example without TensorFlow, and the RPCs that take them."""

from __future__ import annotations

import numpy as np
import pytest

from serving_client import InputError, InvalidArgumentError, UnimplementedError, protos
from serving_client.examples import from_example, to_example, to_input


def label_by_length(inputs):
    lengths = [len(from_example(raw)["text"][0]) for raw in inputs["inputs"]]
    return {
        "classes": [["short", "long"]] * len(lengths),
        "scores": [[1 / n, 1 - 1 / n] for n in lengths],
    }


def weight(inputs):
    return {"outputs": [from_example(raw)["weight"][0] for raw in inputs["inputs"]]}


@pytest.fixture
def examples_server(server):
    spec = {"inputs": "string[?]"}
    server.add("m", label_by_length, inputs=spec, method="classify")
    server.add("m", label_by_length, inputs=spec, method="classify", signature="classify")
    server.add("m", weight, inputs=spec, method="regress", signature="regress")
    return server


@pytest.mark.usefixtures("examples_server")
def test_classify(client):
    answer = client.classify("m", [{"text": "hello"}, {"text": "a"}])
    assert [best.label for best in answer.best()] == ["long", "short"]
    assert answer.examples[0][1].score == pytest.approx(0.8)
    assert (answer.model, answer.version, answer.signature) == ("m", 1, "serving_default")
    assert client.classify("m", {"text": "hello"}, version=1).best()[0].label == "long"


@pytest.mark.usefixtures("examples_server")
def test_regress_with_context(client):
    answer = client.regress(
        "m", [{}, {"weight": 0.5}], context={"weight": 2.0}, signature="regress"
    )
    assert answer.values.tolist() == [2.0, 0.5]
    assert answer.values.dtype == np.float32


@pytest.mark.usefixtures("examples_server")
def test_multi_inference(client):
    answers = client.multi_inference(
        "m", {"text": "hello", "weight": 3.0}, {"classify": "classify", "regress": "regress"}
    )
    assert answers["classify"].best()[0].label == "long"
    assert answers["regress"].values.tolist() == [3.0]
    with pytest.raises(InputError, match="not classify or regress"):
        client.multi_inference("m", {}, {"a": "predict"})


@pytest.mark.usefixtures("examples_server")
def test_wrong_use_is_explained(client):
    with pytest.raises(InvalidArgumentError, match="No signature was found with the name: nope"):
        client.classify("m", {"text": "a"}, signature="nope")
    with pytest.raises(InputError, match="no examples"):
        client.classify("m", [])


def test_features_of_every_kind():
    features = {
        "text": "é",
        "raw": b"\xff",
        "flag": True,
        "count": 7,
        "ratio": 0.5,
        "mixed": [1, 2.5],
        "words": ["a", b"b"],
        "ids": np.arange(3),
        "scalar": np.float32(1.5),
        "none": [],
    }
    again = from_example(to_example(features).SerializeToString())
    assert again == {
        "text": ["é".encode()],
        "raw": [b"\xff"],
        "flag": [1],
        "count": [7],
        "ratio": [0.5],
        "mixed": [1.0, 2.5],
        "words": [b"a", b"b"],
        "ids": [0, 1, 2],
        "scalar": [1.5],
        "none": [],
    }


@pytest.mark.parametrize("features", [{"a": None}, {"a": [["b"]]}, {"a": ["b", 1]}, {1: "a"}])
def test_features_that_do_not_fit(features):
    with pytest.raises(InputError, match=r"feature|mixes"):
        to_example(features)
    with pytest.raises(InputError, match="feature 'big'"):
        to_example({"big": 2**70})


def test_tensorflow_reads_our_examples(tf):
    ours = to_example({"text": ["a", "b"], "x": [1.5], "n": [-1]})
    theirs = tf.train.Example.FromString(ours.SerializeToString())
    assert theirs.features.feature["text"].bytes_list.value == [b"a", b"b"]
    assert to_input(theirs).example_list.examples[0] == ours
    assert to_input(ours.SerializeToString()).example_list.examples[0] == ours
    with pytest.raises(InputError, match="not int"):
        to_input([1])


def test_health(client, server):
    assert client.health() == "SERVING"
    assert client.health("nope") == "SERVICE_UNKNOWN"
    server.fail("UNIMPLEMENTED", method="Check")
    with pytest.raises(UnimplementedError):
        client.health()


def test_example_classes_are_the_private_ones():
    assert protos.Example.DESCRIPTOR.file.pool is protos.POOL
