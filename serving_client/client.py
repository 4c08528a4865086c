"""The synchronous client."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from serving_client import addresses
from serving_client.base_client import BaseClient
from serving_client.blocking import BlockingTransport
from serving_client.calls import Target
from serving_client.config import ClientConfig
from serving_client.errors import FailedPreconditionError
from serving_client.metadata import ModelMetadata
from serving_client.results import (
    Classification,
    Prediction,
    Regression,
    Reloaded,
    VersionStatus,
)
from serving_client.server_config import ServerConfig
from serving_client.transport import run

if TYPE_CHECKING:
    from serving_client import bulk
    from serving_client.bulk import Row


class Client(BaseClient[BlockingTransport]):
    """A client of one TF Serving, or of several that serve the same. Safe across threads.

    `address` is `"host:8500"`, several of them, or `"dns:///name:8500"` (`serving_client.addresses`
    lists all forms). Opens no connection until the first call. `timeout` is the total deadline of a
    call in seconds, retries included; every call can override it. The other settings are explained
    in `serving_client.config`. Close it, or use it in a `with` statement.
    """

    def _open(self, config: ClientConfig) -> BlockingTransport:
        # Only what the address needs: gRPC takes longer to import than all of this package.
        if addresses.is_rest(config.addresses):
            from serving_client.rest_transport import RestTransport

            return RestTransport(config)
        from serving_client.grpc_transport import GrpcTransport

        return GrpcTransport(config)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; calls under way are cancelled. May be called twice."""
        self._transport.close()

    def predict(
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
        """Ask `model`. Returns its outputs as numpy arrays, with the version that answered.

        `inputs` is a dict of input name to str, bytes, number, (nested) list or numpy array, or
        such a value alone for a model with one input; one text for a batch input is a batch of one.
        Without `version` and `label` the latest version answers. `outputs` names the ones to
        compute and return, all without it. Raises a leaf of `ServingError`.
        """
        target = Target(model, version, label, signature)
        return run(self._operations.inference.predict(target, inputs, outputs, timeout, headers))

    def submit(
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
    ) -> Future[Prediction]:
        """`predict` without waiting: a future of its result.

        Up to `max_in_flight` run at a time, the rest wait in line; the deadline of each counts from
        when it starts to run.
        """
        target = Target(model, version, label, signature)
        work = partial(
            self._operations.inference.predict, target, inputs, outputs, timeout, headers
        )
        context = contextvars.copy_context()  # a trace goes on in the thread
        try:
            return self._transport.futures.submit(lambda: context.run(run, work()))
        except RuntimeError as error:
            raise FailedPreconditionError("the client is closed") from error

    def predict_many(
        self,
        model: str,
        items: Iterable[Any],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        batch_size: int = 64,
        in_flight: int = 4,
    ) -> Iterator[Row]:
        """Predict for each of many single examples; yields a `Row` for each, in their order.

        An item has no batch dimension: one text, one vector, or a dict of input name to such. They
        are read a window at a time (`8 * batch_size * in_flight`), sorted by length, and sent in
        batches with `in_flight` calls under way; at most two windows are held, however long `items`
        is. An item that makes its batch fail gets a row with `error`, the others are answered.
        Errors that are no item's fault (UNAVAILABLE, NOT_FOUND, …) are raised. `timeout` is per
        call.
        """
        from serving_client import bulk  # brings numpy, as all that carries values

        target = Target(model, version, label, signature)
        plan = bulk.BatchPlan(batch_size, in_flight)
        return self._predict_many(target, items, outputs, timeout, headers, plan)

    def _predict_many(
        self,
        target: Target,
        items: Iterable[Any],
        outputs: Sequence[str] | None,
        timeout: float | None,
        headers: Mapping[str, str] | None,
        plan: bulk.BatchPlan,
    ) -> Iterator[Row]:
        from serving_client import bulk

        windows = plan.windows(items)
        under_way: deque[list[Future[list[Row]]]] = deque()
        pool = ThreadPoolExecutor(plan.in_flight, "serving-client-bulk")

        def answer(batch: list[bulk.Numbered]) -> list[Row]:
            return run(
                self._operations.inference.predict_batch(target, batch, outputs, timeout, headers)
            )

        try:
            for window in windows:
                under_way.append(
                    [
                        pool.submit(contextvars.copy_context().run, answer, batch)
                        for batch in plan.batches(window)
                    ]
                )
                if len(under_way) == 2:
                    yield from bulk.in_order(each.result() for each in under_way.popleft())
            while under_way:
                yield from bulk.in_order(each.result() for each in under_way.popleft())
        finally:
            # Not waited for, or Ctrl-C would hang on a slow server: calls under way end by
            # themselves, with their deadline or the client.
            pool.shutdown(wait=False, cancel_futures=True)

    def classify(
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
        """Classify tf.Examples: one dict of features or a list of them, without TensorFlow.

        `context` holds features shared by all examples. The signature must be a classify one.
        """
        target = Target(model, version, label, signature)
        return run(self._operations.inference.classify(target, examples, context, timeout, headers))

    def regress(
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
        """Regress tf.Examples, given as for `classify`; one float32 for each."""
        target = Target(model, version, label, signature)
        return run(self._operations.inference.regress(target, examples, context, timeout, headers))

    def multi_inference(
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
        """Run several signatures on the same examples in one call.

        `tasks` maps signature to `"classify"` or `"regress"`; the results come by signature.
        """
        target = Target(model, version, label)
        return run(
            self._operations.inference.multi_inference(
                target, examples, tasks, context, timeout, headers
            )
        )

    def reload(
        self,
        config: ServerConfig,
        *,
        metrics: Sequence[str] = (),
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reloaded:
        """Let the server take over a whole new configuration, and wait until it has.

        Models not listed are unloaded. Returns by how much each of `metrics` grew meanwhile.
        """
        return run(self._operations.reload(config, metrics, timeout, headers))

    def health(
        self,
        service: str = "",
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """What grpc.health.v1 says: "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" or "UNKNOWN".

        UnimplementedError unless the server runs with `--enable_grpc_healthcheck_service`.
        """
        return run(self._operations.health(service, timeout, headers))

    def status(
        self,
        model: str,
        version: int | None = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[VersionStatus, ...]:
        """Every version of `model` the server knows of (or the one asked for), highest first.

        NotFoundError when it never heard of it.
        """
        return run(self._operations.status(Target(model, version), timeout, headers))

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ModelMetadata:
        """The signatures of `model`: names, dtypes and shapes of inputs and outputs."""
        return run(self._operations.metadata(Target(model, version, label), timeout, headers))

    def wait_until_ready(
        self,
        model: str,
        version: int | None = None,
        *,
        timeout: float = 60.0,
        headers: Mapping[str, str] | None = None,
    ) -> VersionStatus:
        """Wait until `version` of `model` (or any version) answers, server start included.

        Returns its status. DeadlineExceededError after `timeout` seconds says what was seen last;
        FailedPreconditionError at once when every version there is has failed to load.
        """
        return run(self._operations.wait_until_ready(Target(model, version), timeout, headers))

    def is_ready(
        self,
        model: str,
        version: int | None = None,
        *,
        timeout: float = 1.0,
        headers: Mapping[str, str] | None = None,
    ) -> bool:
        """Whether `version` of `model` (or any version) answers right now."""
        return run(self._operations.is_ready(Target(model, version), timeout, headers))
