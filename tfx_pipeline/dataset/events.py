"""Rows to labelled events: text from the template, label by task, time in microseconds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from tfx_pipeline.config import DataConfig, PipelineConfig, TimeConfig
from tfx_pipeline.dataset.formats import Rows
from tfx_pipeline.records import LabelledEvent, RejectedRow, Row
from tfx_pipeline.text import render

_UNIX_SCALE = {"unix": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
_LARGEST = 3.4e38
# BIOES and BILOU mark single tokens and ends too; BIO says the same without.
_TO_BIO = {"B": "B", "I": "I", "E": "I", "L": "I", "S": "B", "U": "B"}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def label_events(
    rows: Rows, config: PipelineConfig, given_split: str | None
) -> Iterator[LabelledEvent | RejectedRow]:
    """Turn rows into events; a row that cannot be one is rejected with its reason."""
    for row in rows:
        if isinstance(row, RejectedRow):
            yield row
            continue
        try:
            yield _event(row, config, given_split)
        except KeyError as error:
            known = ", ".join(sorted(row.fields))
            yield _reject(row, f"no field {error.args[0]!r} (the row has: {known})")
        except ValueError as error:
            yield _reject(row, str(error))


def parse_time(text: str, config: TimeConfig) -> int:
    """Return microseconds since the epoch.

    Raises:
        ValueError: the text does not follow `config.format`.
    """
    if config.format in _UNIX_SCALE:
        return round(float(text) * _UNIX_SCALE[config.format])
    if config.format == "iso":
        # Python 3.10 does not read the Z that 3.11 does.
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    else:
        parsed = datetime.strptime(text, config.format)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=ZoneInfo(config.zone))
    since = parsed - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _event(row: Row, config: PipelineConfig, given_split: str | None) -> LabelledEvent:
    data = config.data
    label = row.fields[data.label].strip()
    if not label:
        raise ValueError(f"the label field {data.label!r} is empty")
    tokens: tuple[str, ...] = ()
    if config.task == "token":
        tokens = _tokens(row, data)
        text = " ".join(tokens)
    else:
        text = render(data.text, row.fields)
    if not text.strip():
        raise ValueError("the text is empty")
    return LabelledEvent(
        event_id=row.fields[data.event_id] if data.event_id else row.position,
        event_time=_time(row, data),
        text=text,
        label=_label(label, tokens, config),
        tokens=tokens,
        weight=_weight(row, data),
        features={name: row.fields[name] for name in data.features},
        given_split=given_split,
    )


def _label(
    label: str, tokens: Sequence[str], config: PipelineConfig
) -> str | float | tuple[str, ...]:
    if config.task == "anomaly":
        return "normal" if label in config.data.normal else "anomaly"
    if config.task == "regression":
        return _target(label, config.data.label)
    if config.task == "token":
        return _tags(label, tokens, config.data.label)
    return label


def _target(text: str, field: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"the label field {field!r} is not a number: {text!r:.60}") from error
    # The span holds 32 bits.
    if not abs(value) <= _LARGEST:
        raise ValueError(f"the label field {field!r} is not a finite number: {text!r:.60}")
    return value


def _tokens(row: Row, data: DataConfig) -> tuple[str, ...]:
    tokens = _strings(row.fields[data.tokens], data.tokens)
    for number, token in enumerate(tokens, start=1):
        if not token or token.split() != [token]:
            raise ValueError(f"token {number} is empty or holds white space: {token!r:.60}")
    return tokens


def _tags(text: str, tokens: Sequence[str], field: str) -> tuple[str, ...]:
    tags = _strings(text, field)
    if len(tags) != len(tokens):
        raise ValueError(f"{len(tokens)} tokens, but {len(tags)} tags")
    return tuple(_bio(tag) for tag in tags)


def _bio(tag: str) -> str:
    prefix, sign, kind = tag.partition("-")
    if tag == "O":
        return tag
    if not sign or not kind or prefix not in _TO_BIO:
        raise ValueError(f"tag {tag!r:.60} is not O, B-TYPE or I-TYPE")
    return f"{_TO_BIO[prefix]}-{kind}"


def _strings(text: str, field: str) -> tuple[str, ...]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"the field {field!r} is not a list of strings: {text!r:.60}")
    return tuple(values)


def _time(row: Row, data: DataConfig) -> int | None:
    if data.event_time is None:
        return None
    text = row.fields[data.event_time.field]
    try:
        return parse_time(text, data.event_time)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"event time {text!r:.60}: {error}") from error


def _weight(row: Row, data: DataConfig) -> float | None:
    if data.weight is None:
        return None
    weight = float(row.fields[data.weight])
    if not 0 <= weight < float("inf"):
        raise ValueError(f"weight {weight} is not a finite number of 0 or more")
    return weight


def _reject(row: Row, reason: str) -> RejectedRow:
    raw = " ".join(f"{key}={value}" for key, value in row.fields.items())
    return RejectedRow(row.file, row.number, reason, raw[:2000])
