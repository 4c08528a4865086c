"""Spans on disk: gzip TFRecords of tf.Example under `<spans>/span-<N>/<split>/`."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving_client.examples import to_example
from tfx_pipeline import features
from tfx_pipeline.config import SPLITS
from tfx_pipeline.dataset.rejected import REJECTED, write_rejected
from tfx_pipeline.dataset.tfrecord import write_records
from tfx_pipeline.errors import DataError
from tfx_pipeline.records import LabelledEvent, RejectedRow

_SPAN = re.compile(r"span-(\d+)")
SUMMARY = "import.json"
_FILE = "events-00000-of-00001.gz"


def span_numbers(spans: Path) -> list[int]:
    """Return the numbers of the spans below a directory, ascending."""
    if not spans.is_dir():
        return []
    matches = (_SPAN.fullmatch(child.name) for child in spans.iterdir())
    return sorted(int(match[1]) for match in matches if match)


@contextmanager
def writing(spans: Path) -> Iterator[None]:
    """Wait until no other import writes below a directory, and keep others waiting meanwhile."""
    spans.mkdir(parents=True, exist_ok=True)
    with (spans / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_span(
    spans: Path,
    number: int,
    events: dict[str, list[LabelledEvent]],
    rejected: Iterable[RejectedRow],
    summary: dict[str, object],
) -> Path:
    """Write one span; it appears under its name only when it is whole.

    Raises:
        DataError: a span of that number is there already.
    """
    target = spans / f"span-{number}"
    if target.exists():
        raise DataError(f"{target} is there already; choose another --span, or remove it")
    draft = spans / f".span-{number}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    for split in SPLITS:
        folder = draft / split
        folder.mkdir(parents=True)
        write_records(folder / _FILE, (_serialized(event) for event in events[split]))
    write_rejected(draft / REJECTED, rejected)
    (draft / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    draft.rename(target)
    return target


def _serialized(event: LabelledEvent) -> bytes:
    """Build the tf.Example of one event: bytes[1] features, `event_time` int64[1].

    The label by task: `label` bytes[1] or float[1], or `tokens` bytes[n] and `tags` bytes[n].
    """
    values: dict[str, Any] = {
        **{name: _utf8(value) for name, value in event.features.items()},
        features.TEXT: _utf8(event.text),
        **_labelled(event),
        features.EVENT_ID: _utf8(event.event_id),
    }
    if event.event_time is not None:
        values[features.EVENT_TIME] = event.event_time
    if event.weight is not None:
        values[features.WEIGHT] = event.weight
    example = to_example(dict(sorted(values.items())))
    return bytes(example.SerializeToString(deterministic=True))


def _labelled(event: LabelledEvent) -> dict[str, Any]:
    if isinstance(event.label, tuple):
        tags = [_utf8(tag) for tag in event.label]
        return {features.TOKENS: [_utf8(token) for token in event.tokens], features.TAGS: tags}
    if isinstance(event.label, float):
        return {features.LABEL: event.label}
    return {features.LABEL: _utf8(event.label)}


def _utf8(text: str) -> bytes:
    """Encode text; a lone surrogate, which JSON can hold and UTF-8 cannot, becomes `?`."""
    return text.encode("utf-8", "replace")
