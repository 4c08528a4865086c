"""A graph that joins the runs of many requests.

There are no threads of its own: the request that opens a batch runs it for the others as soon as
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
from model_server.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    ResourceExhaustedError,
    StatusError,
    UnavailableError,
)
from model_server.metrics import Metrics
from model_server.runtime.tensor import Tensor
from model_server.servable import Graph

Feeds = Sequence[tuple[str, Tensor]]


class _Task:
    """One request's rows, and what became of them. `deadline` is in monotonic seconds."""

    def __init__(self, feeds: Feeds, rows: int, timeout_ms: int | None) -> None:
        self.feeds = feeds
        self.rows = rows
        self.queued = time.monotonic()
        self.deadline = None if timeout_ms is None else self.queued + timeout_ms / 1000
        self.outputs: list[Tensor] = []
        self.error: StatusError | None = None


class _Batch:
    """Requests that will run together."""

    def __init__(self, key: Hashable, fetches: Sequence[str]) -> None:
        self.key = key
        self.fetches = fetches
        self.tasks: list[_Task] = []
        self.rows = 0
        self.done = threading.Event()


class BatchingGraph:
    """Runs `graph` with requests joined as `parameters` say."""

    def __init__(self, graph: Graph, parameters: BatchingParameters, metrics: Metrics) -> None:
        self._graph = graph
        self._parameters = parameters
        self._metrics = metrics
        self._running = 0
        self._waiting: dict[Hashable, list[_Batch]] = {}
        self._changed = threading.Condition()

    def run(
        self, feeds: Feeds, fetches: Sequence[str], timeout_ms: int | None = None
    ) -> list[Tensor]:
        """Run once, maybe together with others, and return this request's outputs.

        Raises:
            StatusError: inputs that cannot be batched, a full queue, or what the run says.
        """
        rows = self._check(feeds)
        pieces = self._split(feeds, rows, timeout_ms)
        key = self._key(feeds, fetches)
        batches, opened = self._enqueue(pieces, key, fetches)
        for batch in batches:
            if batch in opened:
                self._lead(batch)
        for batch in batches:
            batch.done.wait()
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

    def _split(self, feeds: Feeds, rows: int, timeout_ms: int | None) -> list[_Task]:
        size = self._parameters.batch_size
        if rows <= size:
            return [_Task(feeds, rows, timeout_ms)]
        return [
            _Task(
                [(name, tensor.rows(at, min(at + size, rows))) for name, tensor in feeds],
                min(size, rows - at),
                timeout_ms,
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

    def _enqueue(
        self, pieces: Sequence[_Task], key: Hashable, fetches: Sequence[str]
    ) -> tuple[list[_Batch], list[_Batch]]:
        limit, size = self._parameters.max_enqueued_batches, self._parameters.batch_size
        with self._changed:
            queue = self._waiting.setdefault(key, [])
            joined, opened = [], []
            free = size - queue[-1].rows if queue else 0
            needed = sum(1 for index, piece in enumerate(pieces) if index or piece.rows > free)
            if len(queue) + needed > limit:
                if not queue:
                    del self._waiting[key]
                raise UnavailableError(self._full(pieces, len(queue), free))
            for piece in pieces:
                if not queue or queue[-1].rows + piece.rows > size:
                    queue.append(_Batch(key, fetches))
                    opened.append(queue[-1])
                batch = queue[-1]
                batch.tasks.append(piece)
                batch.rows += piece.rows
                joined.append(batch)
                self._metrics.batch_inputs.observe(piece.rows)
            if len(queue) > len(opened) or queue[-1].rows >= size:
                self._changed.notify_all()  # a batch that was open may be full now
            return joined, opened

    def _full(self, pieces: Sequence[_Task], queued: int, free: int) -> str:
        limit = self._parameters.max_enqueued_batches
        text = "The batch scheduling queue to which this task was submitted is full; "
        if not self._parameters.split_large_batches:
            return f"{text}currently {queued} batches enqueued and max_enqueued_batches is {limit}"
        size = self._parameters.batch_size
        rows = sum(piece.rows for piece in pieces)
        capacity = (limit - queued) * size + free
        return (
            f"{text}task size is {rows} but scheduling capacity is only {capacity} "
            f"(num_enqueued_batches={queued}, max_enqueued_batches={limit}, "
            f"open_batch_size={size - free if queued else 0}, max_execution_batch_size={size})"
        )

    # --- run ---

    def _lead(self, batch: _Batch) -> None:
        """Run a batch this request opened, when its time has come."""
        due = batch.tasks[0].queued + self._parameters.batch_timeout_seconds
        with self._changed:
            while not self._may_run(batch, due):
                left = due - time.monotonic()
                self._changed.wait(left if left > 0 else None)
            queue = self._waiting[batch.key]
            queue.remove(batch)
            if not queue:
                del self._waiting[batch.key]
            self._running += 1
        try:
            self._run_batch(batch)
        finally:
            batch.done.set()
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _may_run(self, batch: _Batch, due: float) -> bool:
        if self._running >= self._parameters.threads:
            return False
        queue = self._waiting[batch.key]
        full = batch.rows >= self._parameters.batch_size or queue[-1] is not batch
        return full or time.monotonic() >= due

    def _run_batch(self, batch: _Batch) -> None:
        now = time.monotonic()
        for task in batch.tasks:
            self._metrics.queuing.observe((now - task.queued) * 1e6, "")
        deadlines = [task.deadline for task in batch.tasks]
        limits = [limit for limit in deadlines if limit is not None]
        if len(limits) == len(deadlines) and max(limits) <= now:
            for task in batch.tasks:
                task.error = ResourceExhaustedError(
                    "Run() timeout exceeded while waiting in batching queue"
                )
            return
        self._metrics.batches.add()
        try:
            self._run_joined(batch.tasks, batch.fetches)
        except StatusError as error:
            if len(batch.tasks) == 1:
                batch.tasks[0].error = error
                return
            for task in batch.tasks:
                try:
                    self._run_joined([task], batch.fetches)
                except StatusError as own:
                    task.error = own

    def _run_joined(self, tasks: Sequence[_Task], fetches: Sequence[str]) -> None:
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
        outputs = self._graph.run(feeds, fetches, timeout_ms)
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
