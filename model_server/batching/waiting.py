"""The requests that wait, and which of them run together next."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from model_server.batching.parameters import BatchingParameters
from model_server.batching.run_cost import RunCost
from model_server.batching.task import Task
from model_server.errors import UnavailableError

_MAX_COSTS = 1024


class Waiting:
    """Queues of tasks that can be joined, by key. Not safe from several threads: hold a lock.

    The oldest task is always in the next batch, so that none waits forever. Of the others those of
    similar length join it: a batch is cut where its padding would cost more than another run.
    """

    def __init__(self, parameters: BatchingParameters) -> None:
        self._parameters = parameters
        self._queues: dict[Hashable, list[Task]] = {}
        self._costs: dict[Hashable, RunCost] = {}

    @property
    def rows(self) -> int:
        """Rows that wait, over all keys."""
        return sum(task.rows for queue in self._queues.values() for task in queue)

    def cost(self, key: Hashable) -> RunCost:
        """What runs of this key cost."""
        cost = self._costs.get(key)
        if cost is None:
            if len(self._costs) >= _MAX_COSTS:
                self._costs.clear()
            cost = self._costs[key] = RunCost()
        return cost

    def add(self, key: Hashable, tasks: Sequence[Task]) -> None:
        """Queue the tasks of one request.

        Raises:
            UnavailableError: they would not fit into `max_enqueued_batches` batches.
        """
        queue = self._queues.get(key, [])
        if self._batches([*queue, *tasks]) > self._parameters.max_enqueued_batches:
            raise UnavailableError(self._full(queue, tasks))
        self._queues[key] = [*queue, *tasks]

    def next(self, now: float) -> tuple[Hashable, list[Task]] | None:
        """Take the batch that is to run next, its oldest task first; None if none is due.

        One is due when it is full, or its oldest task has waited for `batch_timeout_seconds`.
        """
        limit, patience = self._parameters.batch_size, self._parameters.batch_timeout_seconds
        due = [
            (queue[0].queued, key)
            for key, queue in self._queues.items()
            if now - queue[0].queued >= patience or sum(task.rows for task in queue) >= limit
        ]
        if not due:
            return None
        key = min(due, key=lambda item: item[0])[1]
        queue = self._queues[key]
        batch = cut(queue, limit, self.cost(key).padding)
        taken = set(map(id, batch))
        left = [task for task in queue if id(task) not in taken]
        if left:
            self._queues[key] = left
        else:
            del self._queues[key]
        return key, sorted(batch, key=lambda task: task is not queue[0])

    def _batches(self, tasks: Sequence[Task]) -> int:
        """How many batches these would fill, in order of arrival."""
        count, room = 0, 0
        for task in tasks:
            if task.rows > room:
                count, room = count + 1, self._parameters.batch_size
            room -= task.rows
        return count

    def _full(self, queue: Sequence[Task], tasks: Sequence[Task]) -> str:
        limit, size = self._parameters.max_enqueued_batches, self._parameters.batch_size
        queued = self._batches(queue)
        text = "The batch scheduling queue to which this task was submitted is full; "
        if not self._parameters.split_large_batches:
            return f"{text}currently {queued} batches enqueued and max_enqueued_batches is {limit}"
        open_rows = (sum(task.rows for task in queue) - 1) % size + 1 if queue else 0
        capacity = (limit - queued) * size + (size - open_rows if queue else 0)
        return (
            f"{text}task size is {sum(task.rows for task in tasks)} but scheduling capacity is "
            f"only {capacity} (num_enqueued_batches={queued}, max_enqueued_batches={limit}, "
            f"open_batch_size={open_rows}, max_execution_batch_size={size})"
        )


def cut(queue: Sequence[Task], rows: int, padding: float) -> list[Task]:
    """The batch with the oldest task in it: at most `rows` rows and `padding` of padding.

    Sorted by length and cut where the padding of a batch reaches what a run costs, the sum over
    all batches is smallest: with fewer cuts padding is paid, with more cuts runs are.
    """
    group: list[Task] = []
    filled, waste = 0, 0
    for task in sorted(queue, key=lambda task: task.length, reverse=True):
        more = task.rows * (group[0].length - task.length) if group else 0
        if group and (filled + task.rows > rows or waste + more > padding):
            if queue[0] in group:
                break
            group, filled, waste, more = [], 0, 0, 0
        group.append(task)
        filled, waste = filled + task.rows, waste + more
    return group
