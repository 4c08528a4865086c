"""Predict, Classify, Regress and MultiInference: the operations that carry values.

Apart from the others because only these need numpy, which takes longer to import than all the rest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serving_client import bulk, protos, responses, services
from serving_client import inputs as request_inputs
from serving_client.calls import Call, Target
from serving_client.errors import (
    FailedPreconditionError,
    InputError,
    InvalidArgumentError,
    ResponseError,
    ServingError,
    UnimplementedError,
)
from serving_client.examples import to_input
from serving_client.metadata import ModelMetadata
from serving_client.results import Classification, Prediction, Regression

if TYPE_CHECKING:
    from serving_client.operations import Operations


class Inference:
    """What a client can ask models, over any transport."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._engine = operations.engine
        self._cache = operations.cache
        # Whether inputs are compared with what the model says of them.
        self._checks = operations.config.check or operations.transport.needs_metadata

    async def predict(
        self,
        target: Target,
        inputs: Any,
        outputs: Sequence[str] | None,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> Prediction:
        """Predict, checked against the metadata of the version that is expected to answer."""
        deadline = self._engine.deadline(timeout)
        known = self._cache.get(target)
        if known is None or not self._checks:
            known = await self._metadata_for(target, inputs, deadline, headers)
        try:
            return await self._predict(target, inputs, outputs, deadline, known, headers)
        except (InvalidArgumentError, FailedPreconditionError):
            # The model may have moved to a version that takes other inputs.
            if known is None or target.version is not None or self._cache.is_fresh(target):
                raise
            renewed = await self._operations.metadata(target, None, headers, deadline=deadline)
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
        request = protos.PredictRequest()
        target.fill(request.model_spec)
        request_inputs.fill(request.inputs, inputs, signature)
        if outputs is not None:
            request.output_filter.extend(outputs)
        call = Call(services.PREDICT, request, responses.prediction, target, headers, signature)
        answer = await self._engine.execute(call, deadline)
        if known is not None:
            self._cache.answered(target, answer.version)
        return answer

    async def predict_batch(
        self,
        target: Target,
        batch: list[bulk.Numbered],
        outputs: Sequence[str] | None,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> list[bulk.Row]:
        """Predict for a batch of single examples; one that fails is found and fails alone.

        Errors that cannot be an example's fault are raised.
        """
        try:
            answer = await self.predict(target, bulk.collate(batch), outputs, timeout, headers)
        except ServingError as error:
            if not bulk.may_be_an_examples_fault(error):
                raise
            if len(batch) == 1:
                index, item = batch[0]
                return [
                    bulk.Row(index, item, {}, target.model, None, target.signature or "", error)
                ]
        else:
            return bulk.split(batch, answer)
        half = len(batch) // 2
        first = await self.predict_batch(target, batch[:half], outputs, timeout, headers)
        return first + await self.predict_batch(target, batch[half:], outputs, timeout, headers)

    async def _metadata_for(
        self,
        target: Target,
        inputs: Any,
        deadline: float,
        headers: Mapping[str, str] | None,
    ) -> ModelMetadata | None:
        if not self._checks and isinstance(inputs, Mapping):
            return None
        known = self._cache.get(target)
        if known is not None or self._cache.has_none:
            return known
        try:
            return await self._operations.metadata(target, None, headers, deadline=deadline)
        except UnimplementedError:
            # Some proxies and older servers have no metadata: check nothing, ask no more.
            self._cache.has_none = True
            return None

    async def classify(
        self,
        target: Target,
        examples: Any,
        context: Mapping[str, Any] | None,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> Classification:
        """Classify."""
        request = protos.ClassificationRequest(input=to_input(examples, context))
        target.fill(request.model_spec)
        call = Call(services.CLASSIFY, request, responses.classification, target, headers)
        return await self._engine.execute(call, self._engine.deadline(timeout))

    async def regress(
        self,
        target: Target,
        examples: Any,
        context: Mapping[str, Any] | None,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> Regression:
        """Regress."""
        request = protos.RegressionRequest(input=to_input(examples, context))
        target.fill(request.model_spec)
        call = Call(services.REGRESS, request, responses.regression, target, headers)
        return await self._engine.execute(call, self._engine.deadline(timeout))

    async def multi_inference(
        self,
        target: Target,
        examples: Any,
        tasks: Mapping[str, str],
        context: Mapping[str, Any] | None,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Classification | Regression]:
        """MultiInference: signature to "classify" or "regress" in, signature to result out."""
        request = protos.MultiInferenceRequest(input=to_input(examples, context))
        for signature, method in tasks.items():
            if method not in ("classify", "regress"):
                raise InputError(f"task {signature!r}: {method!r} is not classify or regress")
            task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
            dataclasses.replace(target, signature=signature).fill(task.model_spec)
        call = Call(services.MULTI_INFERENCE, request, responses.multi_inference, target, headers)
        answers = await self._engine.execute(call, self._engine.deadline(timeout))
        if len(answers) != len(tasks):
            raise ResponseError(f"{len(answers)} results for {len(tasks)} tasks")
        return dict(zip(tasks, answers, strict=True))
