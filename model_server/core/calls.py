"""Every call of the API over one set of models, whichever protocol it came by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model_server.config_files import read_server_config
from model_server.core.inference import run_classify, run_multi_inference, run_regress
from model_server.core.lookup import Lookup
from model_server.core.metadata import model_metadata
from model_server.core.predict import predict
from model_server.core.status import model_status
from model_server.errors import InvalidArgumentError, StatusError
from model_server.metrics import Metrics
from model_server.versions.configurator import Configurator
from model_server.versions.states import Board
from serving_client import protos


@dataclass(frozen=True)
class Calls:
    """Messages in, messages out, StatusError; `timeout_ms` None means no limit.

    `check_method` demands fitting method names of signatures, `as_content` packs output numbers
    into `tensor_content`.
    """

    lookup: Lookup
    board: Board
    configurator: Configurator
    metrics: Metrics
    check_method: bool = False
    as_content: bool = False

    def predict(self, request: Any, timeout_ms: int | None) -> Any:
        """PredictRequest to PredictResponse."""
        with self.lookup.lend(request) as servable:
            return predict(
                servable,
                request,
                timeout_ms=timeout_ms,
                check_method=self.check_method,
                as_content=self.as_content,
            )

    def classify(self, request: Any, timeout_ms: int | None) -> Any:
        """ClassificationRequest to ClassificationResponse."""
        with self.lookup.lend(request) as servable:
            return run_classify(
                servable, request, timeout_ms=timeout_ms, check_method=self.check_method
            )

    def regress(self, request: Any, timeout_ms: int | None) -> Any:
        """RegressionRequest to RegressionResponse."""
        with self.lookup.lend(request) as servable:
            return run_regress(
                servable, request, timeout_ms=timeout_ms, check_method=self.check_method
            )

    def multi_inference(self, request: Any, timeout_ms: int | None) -> Any:
        """MultiInferenceRequest to MultiInferenceResponse; the first task names the version."""
        spec = request.tasks[0].model_spec if request.tasks else protos.ModelSpec()
        with self.lookup.lend_spec(spec) as servable:
            response = run_multi_inference(
                servable, request, timeout_ms=timeout_ms, check_method=self.check_method
            )
        kind = request.input.WhichOneof("kind")
        count = len(getattr(request.input, kind).examples)
        self.metrics.example_counts.observe(count, spec.name)
        self.metrics.example_total.add(spec.name, by=count)
        return response

    def metadata(self, request: Any, _: int | None = None) -> Any:
        """GetModelMetadataRequest to GetModelMetadataResponse."""
        return model_metadata(self.lookup, request)

    def status(self, request: Any, _: int | None = None) -> Any:
        """GetModelStatusRequest to GetModelStatusResponse."""
        return model_status(self.board, request)

    def reload(self, request: Any, _: int | None = None) -> Any:
        """ReloadConfigRequest to ReloadConfigResponse: replace the whole configuration."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise InvalidArgumentError(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        before = {name: self.metrics.first(name) for name in request.metric_names}
        self.configurator.apply(read_server_config(request.config))
        response = protos.ReloadConfigResponse()
        response.status.SetInParent()
        for name in request.metric_names:
            increase = int(self.metrics.first(name) - before[name])
            response.metric.add(name=name, int64_value_increase=increase)
        return response

    def counted(
        self, api: str, entrypoint: str, call: Callable[[Any, int | None], Any]
    ) -> Callable[[Any, int | None], Any]:
        """`call`, counted by model and status, and timed when it succeeds."""
        metrics = self.metrics

        def counted(request: Any, timeout_ms: int | None) -> Any:
            began = time.perf_counter()
            try:
                response = call(request, timeout_ms)
            except StatusError as error:
                metrics.requests.add(request.model_spec.name, error.code)
                raise
            name = request.model_spec.name
            metrics.requests.add(name, "OK")
            metrics.latency.observe((time.perf_counter() - began) * 1e6, name, api, entrypoint)
            return response

        return counted
