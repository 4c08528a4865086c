"""Every operation of a client, once, for the synchronous and the asyncio one alike."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from serving_client import metadata as model_metadata
from serving_client import protos, results, services
from serving_client.calls import Call, Target
from serving_client.config import ClientConfig
from serving_client.engine import Engine
from serving_client.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    NotFoundError,
    ServingError,
)
from serving_client.metadata import ModelMetadata
from serving_client.metadata_cache import MetadataCache
from serving_client.results import Reloaded, VersionStatus
from serving_client.server_config import ServerConfig
from serving_client.transport import Transport

if TYPE_CHECKING:
    from serving_client.inference import Inference

Headers: TypeAlias = "Mapping[str, str] | None"  # of one call, beside those of the client

_POLL_SECONDS = 0.1
_LONGEST_POLL_SECONDS = 1.0


class Operations:
    """What a client can do, over any transport."""

    def __init__(self, config: ClientConfig, transport: Transport) -> None:
        self.config = config
        self.engine = Engine(config, transport)
        self.transport = transport
        self.cache = MetadataCache()

    @cached_property
    def inference(self) -> Inference:
        """The operations that carry values; the first use imports numpy."""
        from serving_client.inference import Inference

        return Inference(self)

    async def metadata(
        self,
        target: Target,
        timeout: float | None,
        headers: Headers = None,
        *,
        deadline: float | None = None,
    ) -> ModelMetadata:
        """GetModelMetadata, parsed; also renews what later calls are checked against."""
        request = protos.GetModelMetadataRequest(metadata_field=["signature_def"])
        target.fill(request.model_spec, with_signature=False)
        call = Call(services.GET_MODEL_METADATA, request, model_metadata.metadata, target, headers)
        found = await self.engine.execute(
            call, self.engine.deadline(timeout) if deadline is None else deadline
        )
        self.cache.put(target, found)
        return found

    async def reload(
        self,
        config: ServerConfig,
        metrics: Sequence[str],
        timeout: float | None,
        headers: Headers = None,
    ) -> Reloaded:
        """HandleReloadConfigRequest: replace the whole configuration of the server."""
        request = protos.ReloadConfigRequest(config=config.to_proto(), metric_names=metrics)
        call = Call(services.HANDLE_RELOAD_CONFIG, request, results.reloaded, None, headers)
        answer = await self.engine.execute(call, self.engine.deadline(timeout))
        self.cache.forget_current()
        return answer

    async def health(self, service: str, timeout: float | None, headers: Headers = None) -> str:
        """grpc.health.v1: SERVING, NOT_SERVING, SERVICE_UNKNOWN or UNKNOWN."""
        request = protos.HealthCheckRequest(service=service)
        call = Call(services.HEALTH_CHECK, request, results.health, None, headers)
        return await self.engine.execute(call, self.engine.deadline(timeout))

    async def status(
        self,
        target: Target,
        timeout: float | None,
        headers: Headers = None,
        *,
        deadline: float | None = None,
    ) -> tuple[VersionStatus, ...]:
        """GetModelStatus: every version the server knows of, highest first."""
        request = protos.GetModelStatusRequest()
        target.fill(request.model_spec, with_signature=False)
        call = Call(services.GET_MODEL_STATUS, request, results.version_statuses, target, headers)
        return await self.engine.execute(
            call, self.engine.deadline(timeout) if deadline is None else deadline
        )

    async def is_ready(
        self, target: Target, timeout: float | None, headers: Headers = None
    ) -> bool:
        """Whether a version answers right now; no answer counts as no."""
        try:
            return any(each.available for each in await self.status(target, timeout, headers))
        except ServingError:
            return False

    async def wait_until_ready(
        self, target: Target, timeout: float | None, headers: Headers = None
    ) -> VersionStatus:
        """Wait for a version to be AVAILABLE; see `Client.wait_until_ready`."""
        deadline = self.engine.deadline(timeout)
        pause = _POLL_SECONDS
        seen = "nothing heard from the server"
        while True:
            try:
                versions = await self.status(target, None, headers, deadline=deadline)
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
            await self.transport.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)

    @staticmethod
    def _not_ready(target: Target, seen: str) -> DeadlineExceededError:
        wanted = "" if target.version is None else f" version {target.version}"
        return DeadlineExceededError(
            f"model {target.model}{wanted} did not become available in time ({seen})"
        )
