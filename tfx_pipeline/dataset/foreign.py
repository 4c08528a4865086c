"""Spans that others wrote: used as they are, after a look at every record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving_client.examples import from_example
from tfx_pipeline import features
from tfx_pipeline.config import SPLITS, PipelineConfig
from tfx_pipeline.dataset.spans import SUMMARY, span_numbers
from tfx_pipeline.dataset.tfrecord import is_gzip, read_records
from tfx_pipeline.errors import DataError


def check_spans(config: PipelineConfig) -> None:
    """Check the spans that a run takes, but for those `tfx-pipeline import` wrote.

    Raises:
        DataError: it names the file and the record that the pipeline could not use.
    """
    for number in span_numbers(config.spans_path)[-config.data.spans.last :]:
        span = config.spans_path / f"span-{number}"
        if not (span / SUMMARY).is_file():
            check_span(span, config)


def check_span(span: Path, config: PipelineConfig) -> None:
    """Check every record of a span, as `check_spans` does."""
    labels = set()
    for split in SPLITS:
        files = sorted(path for path in (span / split).glob("*") if path.is_file())
        if not files:
            raise DataError(f"{span / split}: no files; a span has {', '.join(SPLITS)}")
        count = 0
        for path in files:
            if is_gzip(path) != (path.suffix == ".gz"):
                # Beam goes by the name.
                raise DataError(
                    f"{path}: rename it; a file of a span ends in .gz where it is gzip, else not"
                )
            checked = 0
            try:
                for record in read_records(path):
                    label = _check(from_example(record), config)
                    if split == "train":
                        labels.update(label)
                    checked += 1
            except (ValueError, DecodeError) as error:
                raise DataError(f"{path}: record {checked + 1}: {error}") from error
            count += checked
        if not count:
            raise DataError(f"{span / split}: no events")
    if len(labels) < 2:
        raise DataError(f"{span / 'train'}: all events have the same label: nothing to learn")


def _check(values: dict[str, list[Any]], config: PipelineConfig) -> Sequence[Any]:
    """Return the labels of an event; ValueError says what it lacks."""
    _one(values, features.TEXT, bytes)
    for name in config.data.features:
        _one(values, name, bytes)
    if config.data.weight is not None:
        _one(values, features.WEIGHT, float)
    if config.task == "regression":
        value = _one(values, features.LABEL, float)
        if not math.isfinite(value):
            raise ValueError(f"label is {value}")
        return [value]
    if config.task == "token":
        return _tags(values)
    label = _one(values, features.LABEL, bytes)
    if config.task == "anomaly" and label.decode("utf-8", "replace") not in features.ANOMALY_LABELS:
        raise ValueError(f"label is {label!r}, not one of {', '.join(features.ANOMALY_LABELS)}")
    return [label]


def _tags(values: dict[str, list[Any]]) -> list[Any]:
    tokens, tags = values.get(features.TOKENS, []), values.get(features.TAGS, [])
    if not tokens or len(tokens) != len(tags):
        raise ValueError(f"{len(tokens)} tokens and {len(tags)} tags")
    if b" ".join(tokens) != values[features.TEXT][0]:
        raise ValueError("text is not the tokens with a space between them")
    for tag in tags:
        if tag != b"O" and not tag.startswith((b"B-", b"I-")):
            raise ValueError(f"tag {tag!r} is not O, B-TYPE or I-TYPE")
    return tags


def _one(values: dict[str, list[Any]], name: str, kind: type) -> Any:
    found = values.get(name, [])
    if len(found) != 1 or not isinstance(found[0], kind):
        wanted = "bytes" if kind is bytes else "float"
        raise ValueError(f"feature {name!r} is not one value of {wanted}")
    return found[0]
