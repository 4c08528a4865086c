"""A graph that joins the runs of many requests.

There are no threads of its own: a batch is run by the thread of its oldest request, as soon as
fewer than `threads` runs go on and the batch is full or old enough. Under light load a request
therefore runs at once and waits for nobody; under heavy load batches fill while others run.

Requests are joined only where that can be done: equal inputs, outputs, data types and shapes beyond
dimension 0 (ranks, with padding). When a batch fails its requests are run one by one, so that a bad
request fails alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Sequence

from model_server.batching.joining import join
from model_server.batching.parameters import BatchingParameters
from model_server.batching.run_cost import RunCost
from model_server.batching.task import Feeds, Task
from model_server.batching.waiting import Waiting
from model_server.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    ResourceExhaustedError,
    StatusError,
)
from model_server.metrics import Metrics
from model_server.runtime.tensor import Tensor
from model_server.servable import Graph


class BatchingGraph:
    """Runs `graph` with requests joined as `parameters` say."""

    def __init__(self, graph: Graph, parameters: BatchingParameters, metrics: Metrics) -> None:
        self._graph = graph
        self._parameters = parameters
        self._metrics = metrics
        self._lock = threading.Lock()
        self._waiting = Waiting(parameters)
        self._running = 0

    @property
    def waiting_rows(self) -> int:
        """Rows of requests whose run has not begun."""
        with self._lock:
            return self._waiting.rows

    def run(
        self, feeds: Feeds, fetches: Sequence[str], timeout_ms: int | None = None
    ) -> list[Tensor]:
        """Run once, maybe together with others, and return this request's outputs.

        Raises:
            StatusError: inputs that cannot be batched, a full queue, or what the run says.
        """
        rows = self._check(feeds)
        pieces = self._split(feeds, rows, timeout_ms)
        with self._lock:
            self._waiting.add(self._key(feeds, fetches), pieces)
            self._hand_out()
        for piece in pieces:
            self._metrics.batch_inputs.observe(piece.rows)
        helpers = [
            threading.Thread(target=self._see_through, args=(piece, fetches), name="batch piece")
            for piece in pieces[1:]
        ]
        for helper in helpers:
            helper.start()
        self._see_through(pieces[0], fetches)
        for helper in helpers:
            helper.join()
        for piece in pieces:
            if piece.error is not None:
                raise piece.error
        if len(pieces) == 1:
            return pieces[0].outputs
        columns = zip(*[piece.outputs for piece in pieces], strict=True)
        return [join(parts, rows, pad_dims=False) for parts in columns]

    # --- in ---

    def _check(self, feeds: Feeds) -> int:
        if not feeds:
            raise InvalidArgumentError("Batching Run() must have at least one input tensor")
        if any(not tensor.shape for _, tensor in feeds):
            raise InvalidArgumentError(
                "Batching Run() input tensors must have at least one dimension"
            )
        sizes = {tensor.shape[0] for _, tensor in feeds}
        if len(sizes) > 1:
            raise InvalidArgumentError(
                "Batching Run() input tensors must have equal 0th-dimension size"
            )
        rows = sizes.pop()
        limit = self._parameters.max_batch_size
        if rows > limit:
            raise InvalidArgumentError(
                f"Task size {rows} is larger than maximum input batch size {limit}"
            )
        return rows

    def _split(self, feeds: Feeds, rows: int, timeout_ms: int | None) -> list[Task]:
        size, padded = self._parameters.batch_size, self._parameters.pad_variable_length_inputs
        if rows <= size:
            return [Task(feeds, rows, timeout_ms, padded)]
        return [
            Task(
                [(name, tensor.rows(at, min(at + size, rows))) for name, tensor in feeds],
                min(size, rows - at),
                timeout_ms,
                padded,
            )
            for at in range(0, rows, size)
        ]

    def _key(self, feeds: Feeds, fetches: Sequence[str]) -> Hashable:
        pad = self._parameters.pad_variable_length_inputs
        inputs = tuple(
            [
                (name, t.dtype.enum, len(t.shape) if pad and len(t.shape) <= 6 else t.shape[1:])
                for name, t in feeds
            ]
        )
        return inputs, tuple(fetches)

    # --- run ---

    def _hand_out(self) -> None:
        """Give the batches that may run now to their oldest requests. The lock is held."""
        while self._running < self._parameters.threads:
            taken = self._waiting.next(time.monotonic())
            if taken is None:
                return
            self._running += 1
            batch = taken[1]
            batch[0].batch = batch
            batch[0].turn.set()

    def _see_through(self, task: Task, fetches: Sequence[str]) -> None:
        """Wait until others have run `task`, or until it is its turn to run a batch."""
        patience = self._parameters.batch_timeout_seconds
        if patience and not task.turn.wait(patience):
            with self._lock:
                self._hand_out()
        task.turn.wait()
        if not task.batch:
            return
        try:
            self._run_batch(task.batch, fetches)
        finally:
            with self._lock:
                self._running -= 1
                self._hand_out()
            for other in task.batch[1:]:
                other.turn.set()

    def _run_batch(self, batch: Sequence[Task], fetches: Sequence[str]) -> None:
        now = time.monotonic()
        for task in batch:
            self._metrics.queuing.observe((now - task.queued) * 1e6, "")
        deadlines = [task.deadline for task in batch]
        limits = [limit for limit in deadlines if limit is not None]
        if len(limits) == len(deadlines) and max(limits) <= now:
            for task in batch:
                task.error = ResourceExhaustedError(
                    "Run() timeout exceeded while waiting in batching queue"
                )
            return
        self._metrics.batches.add()
        try:
            self._run_joined(batch, fetches)
        except StatusError as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for task in batch:
                try:
                    self._run_joined([task], fetches)
                except StatusError as own:
                    task.error = own

    def _run_joined(self, tasks: Sequence[Task], fetches: Sequence[str]) -> None:
        parameters, metrics = self._parameters, self._metrics
        rows = sum(task.rows for task in tasks)
        padded = parameters.padded(rows)
        feeds = [
            (
                name,
                join(
                    [task.feeds[index][1] for task in tasks],
                    padded if rows else 0,
                    parameters.pad_variable_length_inputs,
                ),
            )
            for index, (name, _) in enumerate(tasks[0].feeds)
        ]
        limits = [task.deadline for task in tasks if task.deadline is not None]
        timeout_ms = None
        if len(limits) == len(tasks):
            timeout_ms = max(int((max(limits) - time.monotonic()) * 1000), 1)
        began = time.perf_counter()
        outputs = self._graph.run(feeds, fetches, timeout_ms)
        longest = max(task.length for task in tasks)
        if longest:
            self._cost(tasks[0].feeds, fetches).observe(
                padded * longest, time.perf_counter() - began
            )
        metrics.batch_sizes.observe(padded)
        metrics.padding.observe(padded - rows, str(padded))
        for tensor in outputs:
            if not tensor.shape:
                raise FailedPreconditionError("Batched output tensor has 0 dimensions")
            if tensor.shape[0] != feeds[0][1].shape[0]:
                raise FailedPreconditionError(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                    "dimension sizes of the input tensors"
                )
        at = 0
        for task in tasks:
            task.outputs = [tensor.rows(at, at + task.rows) for tensor in outputs]
            at += task.rows

    def _cost(self, feeds: Feeds, fetches: Sequence[str]) -> RunCost:
        with self._lock:
            return self._waiting.cost(self._key(feeds, fetches))
