"""The asyncio client: the operations of `Client`, awaited."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from serving_client import addresses, bulk
from serving_client.awaiting import AwaitingTransport
from serving_client.base_client import BaseClient
from serving_client.bulk import Row
from serving_client.calls import Target
from serving_client.config import ClientConfig
from serving_client.metadata import ModelMetadata
from serving_client.results import (
    Classification,
    Prediction,
    Regression,
    Reloaded,
    VersionStatus,
)
from serving_client.server_config import ServerConfig


class AsyncClient(BaseClient[AwaitingTransport]):
    """`Client` for asyncio: same settings, methods, results and errors. One event loop only.

    async with AsyncClient("localhost:8500") as client:
        answer = await client.predict("sentiment", ["what a day"])

    Cancelling the task cancels the call on the server as well.
    """

    def _open(self, config: ClientConfig) -> AwaitingTransport:
        # Only what the address needs, as in `client`.
        if addresses.is_rest(config.addresses):
            from serving_client.rest_transport import RestAioTransport

            return RestAioTransport(config)
        from serving_client.grpc_aio_transport import GrpcAioTransport

        return GrpcAioTransport(config)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; calls under way are cancelled. May be called twice."""
        await self._transport.close()

    async def predict(
        self,
        model: str,
        inputs: Any,
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Prediction:
        """See `Client.predict`."""
        target = Target(model, version, label, signature)
        return await self._operations.inference.predict(target, inputs, outputs, timeout, headers)

    async def predict_many(
        self,
        model: str,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        batch_size: int = 64,
        in_flight: int = 4,
    ) -> AsyncIterator[Row]:
        """See `Client.predict_many`; `async for row in client.predict_many(...)`.

        `items` may be an asynchronous iterable as well. Leaving the loop early and closing the
        generator cancels the calls under way.
        """
        target = Target(model, version, label, signature)
        plan = bulk.BatchPlan(batch_size, in_flight)
        slots = asyncio.Semaphore(in_flight)
        under_way: deque[list[asyncio.Task[list[Row]]]] = deque()

        async def answer(batch: list[bulk.Numbered]) -> list[Row]:
            async with slots:
                return await self._operations.inference.predict_batch(
                    target, batch, outputs, timeout, headers
                )

        try:
            async for window in plan.awaited_windows(items):
                tasks = [asyncio.ensure_future(answer(batch)) for batch in plan.batches(window)]
                under_way.append(tasks)
                if len(under_way) == 2:
                    for row in bulk.in_order(await asyncio.gather(*under_way[0])):
                        yield row
                    under_way.popleft()
            while under_way:
                for row in bulk.in_order(await asyncio.gather(*under_way[0])):
                    yield row
                under_way.popleft()
        finally:
            left = [task for tasks in under_way for task in tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def classify(
        self,
        model: str,
        examples: Any,
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Classification:
        """See `Client.classify`."""
        target = Target(model, version, label, signature)
        return await self._operations.inference.classify(
            target, examples, context, timeout, headers
        )

    async def regress(
        self,
        model: str,
        examples: Any,
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Regression:
        """See `Client.regress`."""
        target = Target(model, version, label, signature)
        return await self._operations.inference.regress(target, examples, context, timeout, headers)

    async def multi_inference(
        self,
        model: str,
        examples: Any,
        tasks: Mapping[str, str],
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Classification | Regression]:
        """See `Client.multi_inference`."""
        target = Target(model, version, label)
        return await self._operations.inference.multi_inference(
            target, examples, tasks, context, timeout, headers
        )

    async def reload(
        self,
        config: ServerConfig,
        *,
        metrics: Sequence[str] = (),
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reloaded:
        """See `Client.reload`."""
        return await self._operations.reload(config, metrics, timeout, headers)

    async def health(
        self,
        service: str = "",
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """See `Client.health`."""
        return await self._operations.health(service, timeout, headers)

    async def status(
        self,
        model: str,
        version: int | None = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[VersionStatus, ...]:
        """See `Client.status`."""
        return await self._operations.status(Target(model, version), timeout, headers)

    async def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ModelMetadata:
        """See `Client.metadata`."""
        return await self._operations.metadata(Target(model, version, label), timeout, headers)

    async def wait_until_ready(
        self,
        model: str,
        version: int | None = None,
        *,
        timeout: float = 60.0,
        headers: Mapping[str, str] | None = None,
    ) -> VersionStatus:
        """See `Client.wait_until_ready`."""
        return await self._operations.wait_until_ready(Target(model, version), timeout, headers)

    async def is_ready(
        self,
        model: str,
        version: int | None = None,
        *,
        timeout: float = 1.0,
        headers: Mapping[str, str] | None = None,
    ) -> bool:
        """See `Client.is_ready`."""
        return await self._operations.is_ready(Target(model, version), timeout, headers)
