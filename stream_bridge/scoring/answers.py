"""A model's output arrays to one plain row per event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from stream_bridge.records import Event

if TYPE_CHECKING:
    from stream_bridge.shadow import ShadowAnswer


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call returned.

    Attributes:
      version: the version that answered.
      rows: per event, output name to plain value.
    """

    version: int
    rows: list[dict[str, Any]]


class Answered(NamedTuple):
    """An event with its row of a model's answer; what a prediction is made of.

    Attributes:
      event: the event.
      model: the model's name.
      version: the version that answered.
      row: output name to plain value.
      at: ``time.monotonic()`` when the answer was there.
      cached: the row came from the cache.
      shadow: what the shadow model answered, if it was asked in time.
    """

    event: Event
    model: str
    version: int
    row: dict[str, Any]
    at: float
    cached: bool = False
    shadow: ShadowAnswer | None = None


class BadAnswer(Exception):  # noqa: N818 - a value of the failure table, not shown to users
    """The answer's rows do not match the request's."""

    code = "BAD_ANSWER"


def rows_of(outputs: Mapping[str, np.ndarray], count: int) -> list[dict[str, Any]]:
    """Output arrays, each ``[count, ...]``, to ``count`` rows of plain values.

    Strings are decoded as UTF-8 (what is not is replaced). Where an output ``length`` says how
    much of a padded row is real (token classification), the rest is cut off. Raises BadAnswer.
    """
    columns: dict[str, list[Any]] = {}
    for name, array in outputs.items():
        if array.ndim == 0 or array.shape[0] != count:
            raise BadAnswer(f"output {name!r} has shape {list(array.shape)} for {count} events")
        columns[name] = _plain(array)
    lengths = columns.get("length")
    if lengths is not None and outputs["length"].ndim == 1:
        for name, array in outputs.items():
            if array.ndim >= 2:
                pairs = zip(columns[name], lengths, strict=True)
                columns[name] = [row[:length] for row, length in pairs]
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain(array: np.ndarray) -> list[Any]:
    if array.dtype == object:
        return _decoded(array.tolist())
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        # The shortest text of a float32: 0.9, not 0.8999999761581421. NaN becomes null.
        wide = np.ascontiguousarray(array, dtype=np.float32)
        return orjson.loads(orjson.dumps(wide, option=orjson.OPT_SERIALIZE_NUMPY))
    return array.tolist()


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value
