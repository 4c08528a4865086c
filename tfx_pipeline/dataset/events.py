"""Rows to labelled events: text from the template, label by task, time in microseconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from tfx_pipeline.config import DataConfig, PipelineConfig, TimeConfig
from tfx_pipeline.dataset.formats import Rows
from tfx_pipeline.records import LabelledEvent, RejectedRow, Row
from tfx_pipeline.text import render

_UNIX_SCALE = {"unix": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
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
    if config.task == "anomaly":
        label = "normal" if label in data.normal else "anomaly"
    text = render(data.text, row.fields)
    if not text.strip():
        raise ValueError("the text is empty")
    return LabelledEvent(
        event_id=row.fields[data.event_id] if data.event_id else row.position,
        event_time=_time(row, data),
        text=text,
        label=label,
        weight=_weight(row, data),
        features={name: row.fields[name] for name in data.features},
        given_split=given_split,
    )


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
