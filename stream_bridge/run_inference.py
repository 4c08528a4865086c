"""`TFServingModelHandler`: TF Serving for Beam's RunInference, on the bridge's scoring core.

::

    import apache_beam as beam
    from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
    from stream_bridge.run_inference import TFServingModelHandler

    handler = TFServingModelHandler("127.0.0.1:8500", "events")
    with beam.Pipeline() as pipeline:
        _ = (
            pipeline
            | beam.Create([("web-1", "INFO started"), ("web-2", "ERROR disk full")])
            | RunInference(KeyedModelHandler(handler))
            | beam.Map(print)
        )

With Beam's anomaly transforms, which want a score instead of all outputs::

    from apache_beam.ml.anomaly.detectors.offline import OfflineDetector
    from apache_beam.ml.anomaly.thresholds import FixedThreshold
    from apache_beam.ml.anomaly.transforms import AnomalyDetection

    scored = TFServingModelHandler("127.0.0.1:8500", "events", output="score")
    handler = (
        KeyedModelHandler(scored)
        .with_preprocess_fn(lambda keyed: (keyed[0], keyed[1].text))
        .with_postprocess_fn(OfflineDetector.score_prediction_adapter)
    )
    detector = OfflineDetector(handler, threshold_criterion=FixedThreshold(0.5))
    found = keyed_rows | AnomalyDetection(detector)

RunInference keeps windows, and puts timestamps to the end of theirs: an event's own time has to
travel in its key. The bridge keeps both.

A server that is away is waited for: the bundle stands still instead of failing. A failed batch is
bisected, so that the other examples of a poison one get their inference.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from stream_bridge.config.scoring import BatchingConfig, FailureConfig
from stream_bridge.config.server import ServerConfig
from stream_bridge.errors import ExamplesRefused, MismatchError
from stream_bridge.records import DeadLetter, Event, RawLine
from stream_bridge.scoring.batches import cut_batches
from stream_bridge.scoring.failures import Patience
from stream_bridge.scoring.scorer import Scorer
from stream_bridge.server import ModelServer
from stream_bridge.timestamps import now


@dataclass(frozen=True)
class Refused:
    """In place of an inference: the model refuses this example.

    Attributes:
      code: a gRPC code, or ``BAD_ANSWER``.
      message: why, in the server's words.
      attempts: how often it was tried.
    """

    code: str
    message: str
    attempts: int


class TFServingModelHandler(ModelHandler[str, PredictionResult, Scorer]):
    """Texts to what a served model answers; `inference` is a dict of output name to value.

    `model_id` of each result is ``MODEL/VERSION``, the version that answered.

    Args:
      address: ``host:port`` of the gRPC API.
      model: the model's name.
      refused: what an example gets that the model refuses: ``raise`` fails the batch (with
        ``RunInference(...).with_exception_handling()`` it is among the failed inferences);
        ``return`` gives `Refused` as its inference, and the rest of the batch is kept.
      output: the name of one output that is the inference by itself; None: a dict of all of them.
      server: further keys of `stream_bridge.config.ServerConfig`, such as ``label``.
      failure: attempts and waits; by default a server that is away is waited for without limit.
      batching: sizes of batches; Beam's own batching keeps to ``sort_events``, and these are cut
        from it by length.
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        refused: Literal["raise", "return"] = "raise",
        output: str | None = None,
        server: Mapping[str, Any] | None = None,
        failure: FailureConfig | None = None,
        batching: BatchingConfig | None = None,
    ):
        super().__init__()
        self._server = ServerConfig(address=address, model=model, **(server or {}))
        self._failure = failure or FailureConfig()
        self._batching = batching or BatchingConfig()
        self._refused = refused
        self._output = output

    def load_model(self) -> Scorer:
        """Opens the connection (at the first call, not here)."""
        patience = Patience(self._failure, threading.Event(), lambda reason: None)
        return Scorer(
            ModelServer(self._server),
            self._server.model,
            self._failure,
            patience,
            self._server.probe_text,
        )

    def run_inference(
        self,
        batch: Sequence[str],
        model: Scorer,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[PredictionResult]:
        """One result per text, in order. Raises ExamplesRefused (see ``refused``)."""
        if inference_args:
            raise ValueError("TFServingModelHandler takes no inference_args")
        outcomes: dict[int, Any] = {}
        for indices in cut_batches(batch, self._batching.max_events, self._batching.max_bytes):
            scored = model.score([_event(batch[i]) for i in indices])
            outcomes.update(zip(indices, scored, strict=True))
        letters = [each for each in outcomes.values() if isinstance(each, DeadLetter)]
        if letters and self._refused == "raise":
            raise ExamplesRefused(
                f"{len(letters)} of {len(batch)} examples were refused, the first with "
                f"{letters[0].message}"
            )
        return [self._result(text, outcomes[i]) for i, text in enumerate(batch)]

    def _result(self, text: str, outcome: Any) -> PredictionResult:
        if isinstance(outcome, DeadLetter):
            refusal = Refused(outcome.code, outcome.message, outcome.attempts)
            return PredictionResult(text, refusal, self._server.model)
        row = outcome.row
        if self._output is not None and self._output not in row:
            raise MismatchError(
                f"output: model {outcome.model} has no output {self._output!r}; "
                f"it has {', '.join(sorted(row))}"
            )
        inference = row if self._output is None else row[self._output]
        return PredictionResult(text, inference, f"{outcome.model}/{outcome.version}")

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """How Beam batches: enough to sort by length."""
        return {"min_batch_size": 1, "max_batch_size": self._batching.sort_events}

    def get_num_bytes(self, batch: Sequence[str]) -> int:
        """UTF-8 bytes of the texts."""
        return sum(len(text.encode()) for text in batch)

    def get_metrics_namespace(self) -> str:
        """Where Beam's metrics of this handler stand."""
        return "BeamML_TFServing"


def _event(text: str) -> Event:
    raw = RawLine(b"", "", "", time.monotonic(), now())
    return Event("", raw.arrived, text, None, "", {}, raw)
