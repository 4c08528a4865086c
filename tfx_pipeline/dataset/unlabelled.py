"""Events that nobody has labelled, read as an import reads labelled ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.dataset.events import label_events
from tfx_pipeline.dataset.formats import reader
from tfx_pipeline.errors import DataError
from tfx_pipeline.features import OUTSIDE
from tfx_pipeline.records import RejectedRow, Row
from tfx_pipeline.text import render


@dataclass(frozen=True)
class Unlabelled:
    """An event's row, its text, and its words where the task has tags."""

    row: Row
    text: str
    tokens: tuple[str, ...]


def read_unlabelled(
    config: PipelineConfig, files: Iterable[Path]
) -> Iterator[Unlabelled | RejectedRow]:
    """Read the events of files in `data.format`; labels are not asked for.

    Raises:
        DataError: a file is not there, or not in that format.
    """
    read = reader(config.data.format)
    for file in files:
        if not file.is_file():
            raise DataError(f"{file}: no such file")
        for row in read(file):
            if isinstance(row, RejectedRow):
                yield row
                continue
            [event] = label_events(iter([_blind(row, config)]), config, None)
            if isinstance(event, RejectedRow):
                yield event
            else:
                yield Unlabelled(row, event.text, event.tokens)


def _blind(row: Row, config: PipelineConfig) -> Row:
    """Return the row with a label that is right in form: what stands there does not matter."""
    data = config.data
    fields = dict(row.fields)
    if config.task == "token":
        if data.tokens not in fields:
            # A text that nobody has cut into words yet.
            fields[data.tokens] = json.dumps(render(data.text, fields).split())
        try:
            fields[data.label] = json.dumps([OUTSIDE] * len(json.loads(fields[data.tokens])))
        except (ValueError, TypeError):
            fields[data.label] = OUTSIDE
    else:
        fields[data.label] = "0" if config.task == "regression" else "unknown"
    return replace(row, fields=fields)
