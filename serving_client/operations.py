"""Every operation of a client, once, for the synchronous and the asyncio one alike."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from serving_client import bulk, protos, results, services
from serving_client import inputs as request_inputs
from serving_client import metadata as model_metadata
from serving_client.calls import Call, Target
from serving_client.config import ClientConfig
from serving_client.engine import Engine
from serving_client.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    InputError,
    InvalidArgumentError,
    NotFoundError,
    ResponseError,
    ServingError,
    SignatureError,
    UnimplementedError,
)
from serving_client.examples import to_input
from serving_client.metadata import ModelMetadata
from serving_client.metadata_cache import MetadataCache
from serving_client.results import (
    Classification,
    Prediction,
    Regression,
    Reloaded,
    VersionStatus,
)
from serving_client.server_config import ServerConfig
from serving_client.transport import Transport

_POLL_SECONDS = 0.1
_LONGEST_POLL_SECONDS = 1.0


class Operations:
    """What a client can do, over any transport."""

    def __init__(self, config: ClientConfig, transport: Transport) -> None:
        self.config = config
        self.engine = Engine(config, transport)
        self._transport = transport
        self._cache = MetadataCache()

    async def predict(
        self,
        target: Target,
        inputs: Any,
        outputs: Sequence[str] | None,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> Prediction:
        """Predict, checked against the metadata of the version that is expected to answer."""
        deadline = self.engine.deadline(timeout)
        known = await self._metadata_for(target, inputs, deadline)
        try:
            return await self._predict(target, inputs, outputs, deadline, known, headers)
        except (InvalidArgumentError, FailedPreconditionError):
            # The model may have moved to a version that takes other inputs.
            if known is None or target.version is not None or self._cache.is_fresh(target):
                raise
            renewed = await self.metadata(target, None, deadline=deadline)
            if renewed.version == known.version:
                raise
            return await self._predict(target, inputs, outputs, deadline, renewed, headers)

    async def _predict(
        self,
        target: Target,
        inputs: Any,
        outputs: Sequence[str] | None,
        deadline: float,
        known: ModelMetadata | None,
        headers: Mapping[str, str] | None,
    ) -> Prediction:
        signature = known.signature(target.signature) if known else None
        request = protos.PredictRequest(model_spec=target.spec())
        request_inputs.fill(request.inputs, inputs, signature)
        if outputs is not None:
            request.output_filter.extend(outputs)
        call = Call(services.PREDICT, request, results.prediction, target, headers or {}, signature)
        answer = await self.engine.execute(call, deadline)
        if known is not None:
            self._cache.answered(target, answer.version)
        return answer

    async def predict_batch(
        self,
        target: Target,
        batch: list[bulk.Numbered],
        outputs: Sequence[str] | None,
        timeout: float | None,
    ) -> list[bulk.Row]:
        """Predict for a batch of single examples; one that fails is found and fails alone.

        Errors that cannot be an example's fault are raised.
        """
        try:
            answer = await self.predict(target, bulk.collate(batch), outputs, timeout)
        except ServingError as error:
            if error.code not in bulk.BLAMED_ON_EXAMPLES or isinstance(error, SignatureError):
                raise
            if len(batch) == 1:
                index, item = batch[0]
                return [bulk.Row(index, item, {}, target.model, 0, target.signature or "", error)]
        else:
            return bulk.split(batch, answer)
        half = len(batch) // 2
        first = await self.predict_batch(target, batch[:half], outputs, timeout)
        return first + await self.predict_batch(target, batch[half:], outputs, timeout)

    async def _metadata_for(
        self, target: Target, inputs: Any, deadline: float
    ) -> ModelMetadata | None:
        unchecked = not self.config.check and not self._transport.needs_metadata
        if unchecked and isinstance(inputs, Mapping):
            return None
        known = self._cache.get(target)
        if known is not None or self._cache.has_none:
            return known
        try:
            return await self.metadata(target, None, deadline=deadline)
        except UnimplementedError:
            # Some proxies and older servers have no metadata: check nothing, ask no more.
            self._cache.has_none = True
            return None

    async def metadata(
        self, target: Target, timeout: float | None, *, deadline: float | None = None
    ) -> ModelMetadata:
        """GetModelMetadata, parsed; also renews what later calls are checked against."""
        request = protos.GetModelMetadataRequest(
            model_spec=target.spec(with_signature=False), metadata_field=["signature_def"]
        )
        call = Call(services.GET_MODEL_METADATA, request, model_metadata.metadata, target)
        found = await self.engine.execute(
            call, self.engine.deadline(timeout) if deadline is None else deadline
        )
        self._cache.put(target, found)
        return found

    async def classify(
        self,
        target: Target,
        examples: Any,
        context: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> Classification:
        """Classify."""
        request = protos.ClassificationRequest(
            model_spec=target.spec(), input=to_input(examples, context)
        )
        call = Call(services.CLASSIFY, request, results.classification, target)
        return await self.engine.execute(call, self.engine.deadline(timeout))

    async def regress(
        self,
        target: Target,
        examples: Any,
        context: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> Regression:
        """Regress."""
        request = protos.RegressionRequest(
            model_spec=target.spec(), input=to_input(examples, context)
        )
        call = Call(services.REGRESS, request, results.regression, target)
        return await self.engine.execute(call, self.engine.deadline(timeout))

    async def multi_inference(
        self,
        target: Target,
        examples: Any,
        tasks: Mapping[str, str],
        context: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> dict[str, Classification | Regression]:
        """MultiInference: signature to "classify" or "regress" in, signature to result out."""
        request = protos.MultiInferenceRequest(input=to_input(examples, context))
        for signature, method in tasks.items():
            if method not in ("classify", "regress"):
                raise InputError(f"task {signature!r}: {method!r} is not classify or regress")
            request.tasks.add(
                model_spec=dataclasses.replace(target, signature=signature).spec(),
                method_name=f"tensorflow/serving/{method}",
            )
        call = Call(services.MULTI_INFERENCE, request, results.multi_inference, target)
        answers = await self.engine.execute(call, self.engine.deadline(timeout))
        if len(answers) != len(tasks):
            raise ResponseError(f"{len(answers)} results for {len(tasks)} tasks")
        return dict(zip(tasks, answers, strict=True))

    async def reload(
        self, config: ServerConfig, metrics: Sequence[str], timeout: float | None
    ) -> Reloaded:
        """HandleReloadConfigRequest: replace the whole configuration of the server."""
        request = protos.ReloadConfigRequest(config=config.to_proto(), metric_names=metrics)
        call = Call(services.HANDLE_RELOAD_CONFIG, request, results.reloaded)
        answer = await self.engine.execute(call, self.engine.deadline(timeout))
        self._cache.forget_current()
        return answer

    async def health(self, service: str, timeout: float | None) -> str:
        """grpc.health.v1: SERVING, NOT_SERVING, SERVICE_UNKNOWN or UNKNOWN."""
        request = protos.HealthCheckRequest(service=service)
        call = Call(services.HEALTH_CHECK, request, results.health)
        return await self.engine.execute(call, self.engine.deadline(timeout))

    async def status(
        self, target: Target, timeout: float | None, *, deadline: float | None = None
    ) -> tuple[VersionStatus, ...]:
        """GetModelStatus: every version the server knows of, highest first."""
        request = protos.GetModelStatusRequest(model_spec=target.spec(with_signature=False))
        call = Call(services.GET_MODEL_STATUS, request, results.version_statuses, target)
        return await self.engine.execute(
            call, self.engine.deadline(timeout) if deadline is None else deadline
        )

    async def is_ready(self, target: Target, timeout: float | None) -> bool:
        """Whether a version answers right now; no answer counts as no."""
        try:
            return any(each.available for each in await self.status(target, timeout))
        except ServingError:
            return False

    async def wait_until_ready(self, target: Target, timeout: float | None) -> VersionStatus:
        """Wait for a version to be AVAILABLE; see `Client.wait_until_ready`."""
        deadline = self.engine.deadline(timeout)
        pause = _POLL_SECONDS
        seen = "nothing heard from the server"
        while True:
            try:
                versions = await self.status(target, None, deadline=deadline)
            except NotFoundError as error:
                seen = error.message
            except ServingError as error:
                if not error.retryable and not isinstance(error, DeadlineExceededError):
                    raise
                raise self._not_ready(target, f"{seen}; {error}") from error
            else:
                ready = [each for each in versions if each.available]
                if ready:
                    return ready[0]
                seen = ", ".join(f"version {each.version} is {each.state}" for each in versions)
                failed = [each for each in versions if each.failed]
                if failed and len(failed) == len(versions):
                    worst = failed[0]
                    raise FailedPreconditionError(
                        f"version {worst.version} of model {target.model} failed to load: "
                        f"{worst.error_code}: {worst.error_message}"
                    )
            if time.monotonic() + pause >= deadline:
                raise self._not_ready(target, seen)
            await self._transport.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)

    @staticmethod
    def _not_ready(target: Target, seen: str) -> DeadlineExceededError:
        wanted = "" if target.version is None else f" version {target.version}"
        return DeadlineExceededError(
            f"model {target.model}{wanted} did not become available in time ({seen})"
        )
