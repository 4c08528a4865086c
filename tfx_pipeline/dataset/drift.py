"""How a new span differs from the one before it, by what both imports found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx_pipeline.dataset.findings import Findings
from tfx_pipeline.dataset.spans import SUMMARY, span_numbers


@dataclass(frozen=True)
class Drift:
    """What changed in the train split since span `since`.

    `new` and `gone` are labels, or tags. `share` is the largest change of a label's share (the
    L-infinity distance that TFDV measures), and `moved` that label with its share before and now;
    0 and None where there are no labels. `bytes` and `values` are the medians of the texts'
    lengths and of a regression's values, before and now.
    """

    since: int
    new: tuple[str, ...]
    gone: tuple[str, ...]
    share: float
    moved: tuple[str, float, float] | None
    bytes: tuple[float, float]
    values: tuple[float, float] | None


def drift_since(spans: Path, number: int, findings: Findings) -> Drift | None:
    """Compare with the last span before `number` that an import wrote, None where there is none."""
    for earlier in reversed([found for found in span_numbers(spans) if found < number]):
        file = spans / f"span-{earlier}" / SUMMARY
        if file.is_file():
            return _drift(earlier, json.loads(file.read_text("utf-8")), findings)
    return None


def _drift(since: int, before: Mapping[str, Any], now: Findings) -> Drift:
    was, has = _shares(before["labels"]["train"]), _shares(now.labels["train"])
    changes = {label: has.get(label, 0.0) - was.get(label, 0.0) for label in was | has}
    moved = max(changes, key=lambda label: abs(changes[label]), default=None)
    values = None
    if "train" in now.values and "train" in before["values"]:
        values = (before["values"]["train"]["median"], now.values["train"].median)
    return Drift(
        since=since,
        new=tuple(label for label in has if label not in was),
        gone=tuple(label for label in was if label not in has),
        share=0.0 if moved is None else abs(changes[moved]),
        moved=None if moved is None else (moved, was.get(moved, 0.0), has.get(moved, 0.0)),
        bytes=(before["lengths"]["train"]["median"], now.lengths["train"].median),
        values=values,
    )


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {label: count / total for label, count in counts.items()}
