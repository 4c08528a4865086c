"""A split of labelled events, read back from the Examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfx_pipeline import features
from tfx_pipeline.evaluation.metrics import entities

# In the text's own bytes: (type, begin, one past end).
Entity = tuple[str, int, int]


@dataclass(frozen=True)
class Event:
    """One labelled event: the truth is a label, a number or the entities of the text.

    `time` is in microseconds since the epoch, None where the data has no time. `words` are the
    tokens and their tags, for the token task alone.
    """

    event_id: str
    time: int | None
    text: str
    truth: str | float | tuple[Entity, ...]
    features: dict[str, str]
    words: tuple[tuple[str, str], ...] = ()


def read_events(uri: str, task: str, columns: Sequence[str]) -> list[Event]:
    """Read the events of a split; `columns` are the features to keep beside the text."""
    files = sorted(tf.io.gfile.glob(f"{uri}/*"))
    records = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    return [_event(tf.train.Example.FromString(record), task, columns) for record in records]


def _event(example: tf.train.Example, task: str, columns: Sequence[str]) -> Event:
    values = example.features.feature
    text = _text(values, features.TEXT)
    words: tuple[tuple[str, str], ...] = ()
    truth: Any
    if task == "regression":
        truth = float(values[features.LABEL].float_list.value[0])
    elif task == "token":
        words = tuple(zip(_texts(values, "tokens"), _texts(values, "tags"), strict=True))
        truth = _entities(text, words)
    else:
        truth = _text(values, features.LABEL)
    times = values[features.EVENT_TIME].int64_list.value
    return Event(
        event_id=_text(values, features.EVENT_ID),
        time=times[0] if times else None,
        text=text,
        truth=truth,
        features={name: _text(values, name) for name in columns},
        words=words,
    )


def _entities(text: str, words: Sequence[tuple[str, str]]) -> tuple[Entity, ...]:
    """Turn the entities of the words into byte offsets of the text the words stand in."""
    whole = text.encode("utf-8")
    places, position = [], 0
    for word, _ in words:
        begin = whole.find(word.encode("utf-8"), position)
        begin = position if begin < 0 else begin
        position = begin + len(word.encode("utf-8"))
        places.append((begin, position))
    found = entities([tag for _, tag in words])
    return tuple(
        sorted((kind, places[first][0], places[last - 1][1]) for kind, first, last in found)
    )


def _texts(values: Any, name: str) -> list[str]:
    return [value.decode("utf-8", "replace") for value in values[name].bytes_list.value]


def _text(values: Any, name: str) -> str:
    found = _texts(values, name)
    return found[0] if found else ""
