"""The RunInference handler in real pipelines."""

import apache_beam as beam
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.ml.anomaly.detectors.offline import OfflineDetector
from apache_beam.ml.anomaly.thresholds import FixedThreshold
from apache_beam.ml.anomaly.transforms import AnomalyDetection
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from stream_bridge.config.scoring import FailureConfig
from stream_bridge.errors import ExamplesRefused, MismatchError
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


def test_the_anomaly_transforms_take_its_scores(server):
    scored = TFServingModelHandler(server.address, "m", failure=QUICK, output="score")
    handler = (
        KeyedModelHandler(scored)
        .with_preprocess_fn(lambda keyed: (keyed[0], keyed[1].text))
        .with_postprocess_fn(OfflineDetector.score_prediction_adapter)
    )
    detector = OfflineDetector(
        handler, threshold_criterion=FixedThreshold(0.5), model_id="served", features=["text"]
    )
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = (
            pipeline
            | beam.Create([("a", beam.Row(text="bad", n=1)), ("b", beam.Row(text="good", n=2))])
            | AnomalyDetection(detector)
            | beam.MapTuple(
                lambda key, result: (
                    key,
                    result.example.n,
                    result.predictions[0].label,
                    round(result.predictions[0].score, 3),
                )
            )
        )
        assert_that(found, equal_to([("a", 1, 1, 0.9), ("b", 2, 0, 0.1)]))


def test_an_output_that_is_not_there_is_named(server):
    handler = TFServingModelHandler(server.address, "m", failure=QUICK, output="novelty")
    with pytest.raises(MismatchError, match="has no output 'novelty'; it has label, score"):
        handler.run_inference(["good"], handler.load_model())


def test_keyed_dead_letters_windows_and_beams_metrics(server):
    handler = TFServingModelHandler(server.address, "m", failure=QUICK, refused="return")
    texts = ["good", "poison", "bad", "good"]
    pipeline = beam.Pipeline(runner=FnApiRunner())
    results = (
        pipeline
        | beam.Create([TimestampedValue((i, text), 50 * i) for i, text in enumerate(texts)])
        | beam.Map(lambda timestamped: timestamped)
        | beam.WindowInto(FixedWindows(60))
        | RunInference(KeyedModelHandler(handler))
        | beam.ParDo(_Where())
    )
    assert_that(
        results,
        equal_to(
            [
                (0, "normal", 0.0),
                (1, "INVALID_ARGUMENT", 0.0),
                (2, "anomaly", 60.0),
                (3, "normal", 120.0),
            ]
        ),
    )
    result = pipeline.run()
    result.wait_until_finish()
    told = result.metrics().query(MetricsFilter().with_namespace(handler.get_metrics_namespace()))
    counted = {each.key.metric.name: each.committed for each in told["counters"]}
    assert counted["num_inferences"] == 4
    measured = {each.key.metric.name for each in told["distributions"]}
    assert {"inference_batch_latency_micro_secs", "inference_request_batch_size"} <= measured


class _Where(beam.DoFn):
    """Key, what was said, and where the window begins."""

    def process(self, keyed, window=beam.DoFn.WindowParam):
        key, result = keyed
        said = result.inference
        said = said.code if isinstance(said, Refused) else said["label"]
        yield key, said, float(window.start)
