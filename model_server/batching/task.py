"""One request's rows on their way through a batch."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from model_server.errors import StatusError
from model_server.runtime import dtypes
from model_server.runtime.tensor import Tensor

Feeds = Sequence[tuple[str, Tensor]]


class Task:
    """Rows to run, and what became of them.

    `length` says how much a row of this task takes next to rows of others it could be joined with:
    bytes of its longest string, elements of its padded dimensions. `deadline` is in monotonic
    seconds. `turn` is set when the task is to lead `batch`, or when another has run it.
    """

    __slots__ = (
        "batch",
        "deadline",
        "error",
        "feeds",
        "length",
        "outputs",
        "queued",
        "rows",
        "turn",
    )

    def __init__(self, feeds: Feeds, rows: int, timeout_ms: int | None, padded: bool) -> None:
        self.feeds = feeds
        self.rows = rows
        self.length = sum([_length(tensor, padded) for _, tensor in feeds])
        self.queued = time.monotonic()
        self.deadline = None if timeout_ms is None else self.queued + timeout_ms / 1000
        self.outputs: list[Tensor] = []
        self.error: StatusError | None = None
        self.batch: Sequence[Task] = ()
        self.turn = threading.Event()


def _length(tensor: Tensor, padded: bool) -> int:
    length = math.prod(tensor.shape[1:]) if padded else 0
    if tensor.dtype is dtypes.STRING:
        length += max(tensor.string_sizes(), default=0)
    return length
