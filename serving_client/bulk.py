"""Many single examples → batches of like ones, and answers → one row for each example. No I/O.

An example has no batch dimension: one text, one vector, or a dict of input name to such. A window
of examples is sorted by shape and length, so that a batch is padded to its own longest text only.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from serving_client.errors import InputError, ResponseError, ServingError, SignatureError
from serving_client.results import Prediction, as_text

# Codes that may be the fault of one example: its batch is split until the culprit is alone.
_BLAMED_ON_EXAMPLES = frozenset(
    {"INVALID_ARGUMENT", "OUT_OF_RANGE", "INTERNAL", "UNKNOWN", "DATA_LOSS"}
)


def may_be_an_examples_fault(error: ServingError) -> bool:
    """Whether a smaller batch may do better."""
    if isinstance(error, SignatureError):
        return False
    # A message over somebody's size limit was sent and is not worth sending again as it is.
    too_large = error.code == "RESOURCE_EXHAUSTED" and error.attempts > 0 and not error.retryable
    return too_large or error.code in _BLAMED_ON_EXAMPLES


@dataclass(frozen=True, eq=False)
class Row:
    """The answer for one example, or why there is none.

    `row["score"]` is that example's part of the output, a numpy scalar or array (bytes for text);
    on a failed row it raises `row.error`.
    """

    index: int
    item: Any
    outputs: dict[str, Any]
    model: str
    version: int | None
    signature: str
    error: ServingError | None = None

    def __getitem__(self, name: str) -> Any:
        if self.error is not None:
            raise self.error
        try:
            return self.outputs[name]
        except KeyError:
            raise KeyError(f"no output {name!r}; there are {', '.join(self.outputs)}") from None

    def text(self, name: str) -> Any:
        """A string output as str; a nested list where the row has more than one value."""
        value = self[name]
        if isinstance(value, bytes):
            return as_text(value)
        if isinstance(value, np.ndarray) and value.dtype == object:
            return as_text(value.tolist())
        raise ResponseError(f"output {name!r} is not text")


Numbered = tuple[int, Any]


@dataclass(frozen=True)
class BatchPlan:
    """How a long run of examples is cut up."""

    batch_size: int
    in_flight: int

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.in_flight < 1:
            raise InputError("batch_size and in_flight must be at least 1")

    def windows(self, items: Iterable[Any]) -> Iterator[list[Numbered]]:
        """The examples with their positions, a window at a time; reads no further than asked."""
        numbered = enumerate(items)
        while window := list(islice(numbered, self.window_size)):
            yield window

    async def awaited_windows(
        self, items: Iterable[Any] | AsyncIterable[Any]
    ) -> AsyncIterator[list[Numbered]]:
        """The same from an iterable or an asynchronous one."""
        if not isinstance(items, AsyncIterable):
            for window in self.windows(items):
                yield window
            return
        window, index = [], 0
        async for item in items:
            window.append((index, item))
            index += 1
            if len(window) == self.window_size:
                yield window
                window = []
        if window:
            yield window

    @property
    def window_size(self) -> int:
        """Examples sorted together: enough that lengths in a batch are near each other."""
        return 8 * self.batch_size * self.in_flight

    def batches(self, window: list[Numbered]) -> list[list[Numbered]]:
        """Batches of examples of one shape, near in length, longest first."""
        keyed = [(_key(item), index, item) for index, item in window]
        keyed.sort(key=lambda each: each[0], reverse=True)
        batches: list[list[Numbered]] = []
        last_shape = ""
        for (shape, _), index, item in keyed:
            if not batches or shape != last_shape or len(batches[-1]) >= self.batch_size:
                batches.append([])
                last_shape = shape
            batches[-1].append((index, item))
        return batches


def in_order(answers: Iterable[list[Row]]) -> list[Row]:
    """The rows of one window in the order of its examples."""
    rows = [row for answer in answers for row in answer]
    return sorted(rows, key=lambda row: row.index)


def collate(batch: list[Numbered]) -> Any:
    """The inputs of one Predict call."""
    items = [item for _, item in batch]
    first = items[0]
    if not isinstance(first, Mapping):
        return _stack(items)
    if any(not isinstance(item, Mapping) or item.keys() != first.keys() for item in items):
        raise InputError("the examples of a batch name different inputs")
    return {name: _stack([item[name] for item in items]) for name in first}


def split(batch: list[Numbered], answer: Prediction) -> list[Row]:
    """The rows of one answer. ResponseError if an output is not one value for each example."""
    for name, array in answer.outputs.items():
        if array.ndim == 0 or len(array) != len(batch):
            raise ResponseError(
                f"output {name!r} has shape {list(array.shape)} for {len(batch)} examples"
            )
    return [
        Row(
            index,
            item,
            {name: array[position] for name, array in answer.outputs.items()},
            answer.model,
            answer.version,
            answer.signature,
        )
        for position, (index, item) in enumerate(batch)
    ]


def _stack(values: list[Any]) -> Any:
    if isinstance(values[0], np.ndarray | np.generic):
        try:
            return np.stack(values)
        except (ValueError, TypeError) as error:
            raise InputError(f"examples do not stack: {error}") from error
    return values


def _key(item: Any) -> tuple[str, int]:
    # Shapes as text: they only have to be equal or not, and texts of any two can be compared.
    if isinstance(item, str | bytes):
        return "text", len(item)
    if isinstance(item, Mapping):
        parts = {str(name): _key(value) for name, value in item.items()}
        shape = ";".join(f"{name}:{parts[name][0]}" for name in sorted(parts))
        return shape, sum(length for _, length in parts.values())
    if isinstance(item, np.ndarray):
        return str(item.shape), 0
    if isinstance(item, list | tuple):
        inner = _key(item[0]) if item else ("", 0)
        return f"{len(item)}x{inner[0]}", sum(_key(each)[1] for each in item)
    return "scalar", 0
