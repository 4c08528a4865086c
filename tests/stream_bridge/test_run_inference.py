"""The RunInference handler in real pipelines."""

import apache_beam as beam
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from stream_bridge.config.scoring import FailureConfig
from stream_bridge.errors import ExamplesRefused
from stream_bridge.run_inference import Refused, TFServingModelHandler

QUICK = FailureConfig(backoff_seconds=0.01, max_backoff_seconds=0.02)


def test_keyed_examples_get_their_rows(server):
    handler = TFServingModelHandler(server.address, "m", failure=QUICK)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = (
            pipeline
            | beam.Create([(f"k{i}", "bad" if i % 2 else f"good {i}") for i in range(50)])
            | RunInference(KeyedModelHandler(handler))
            | beam.MapTuple(lambda key, result: (key, result.inference["label"], result.model_id))
        )
        assert_that(
            found,
            equal_to([(f"k{i}", "anomaly" if i % 2 else "normal", "m/1") for i in range(50)]),
        )


def test_refused_examples_are_failed_inferences(server):
    handler = TFServingModelHandler(server.address, "m", failure=QUICK)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found, failed = (
            pipeline | beam.Create(["poison"]) | RunInference(handler).with_exception_handling()
        )
        assert_that(found, equal_to([]), label="none")
        assert_that(
            failed.failed_inferences | beam.Map(lambda failure: failure[0]),
            equal_to([["poison"]]),
            label="the batch",
        )


def test_the_others_of_a_batch_are_kept_on_request(server):
    handler = TFServingModelHandler(server.address, "m", failure=QUICK, refused="return")
    results = list(handler.run_inference(["good", "poison", "bad"], handler.load_model()))
    assert [result.example for result in results] == ["good", "poison", "bad"]
    assert results[0].inference == {"label": "normal", "score": 0.1}
    assert isinstance(results[1].inference, Refused)
    assert results[1].inference.code == "INVALID_ARGUMENT"
    assert results[2].inference["label"] == "anomaly"
    strict = TFServingModelHandler(server.address, "m", failure=QUICK)
    with pytest.raises(ExamplesRefused, match="1 of 3 examples"):
        strict.run_inference(["good", "poison", "bad"], strict.load_model())


def test_a_server_that_is_away_is_waited_for(server):
    handler = TFServingModelHandler(server.address, "m", failure=QUICK)
    server.fail("UNAVAILABLE", times=5)
    (result,) = handler.run_inference(["good"], handler.load_model())
    assert result.inference["label"] == "normal"
