"""What is worth knowing of labelled events before a model is trained on them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tfx_pipeline.config import SPLITS
from tfx_pipeline.records import LabelledEvent

_EXAMPLES = 3


@dataclass(frozen=True)
class Spread:
    """How numbers lie: smallest, median, 95th percentile, largest and mean."""

    least: float
    median: float
    p95: float
    most: float
    mean: float


@dataclass(frozen=True)
class Findings:
    """What the splits of a span hold.

    `labels` counts by split the labels, or the tags of all tokens; empty for a regression, whose
    numbers are in `values`. `lengths` are bytes of text. `once` are labels with one training
    event, `unseen` those that only other splits have. `repeated` counts by split the events whose
    text an earlier split has and that stayed; `conflicts` the training texts that have more than
    one label, with some of them; `replaced` the training texts with U+FFFD, which stands for bytes
    that are not UTF-8.
    """

    labels: dict[str, dict[str, int]]
    values: dict[str, Spread]
    lengths: dict[str, Spread]
    once: tuple[str, ...]
    unseen: tuple[str, ...]
    repeated: dict[str, int]
    conflicts: int
    conflicting: tuple[str, ...]
    replaced: int

    def as_json(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        return asdict(self)


def look(events: dict[str, list[LabelledEvent]]) -> Findings:
    """Look through the splits."""
    labels = {name: dict(_labels(events[name])) for name in SPLITS}
    values = {
        name: [e.label for e in events[name] if isinstance(e.label, float)] for name in SPLITS
    }
    tagged = any(isinstance(event.label, tuple) for event in events["train"])
    held_out = {*labels["eval"], *labels["test"]}
    conflicting = _conflicting(events["train"])
    return Findings(
        labels=labels,
        values={name: spread(given) for name, given in values.items() if given},
        lengths={
            name: spread([len(event.text.encode("utf-8", "replace")) for event in events[name]])
            for name in SPLITS
        },
        once=() if tagged else tuple(sorted(k for k, n in labels["train"].items() if n == 1)),
        unseen=tuple(sorted(held_out - set(labels["train"]))),
        repeated=_repeated(events),
        conflicts=len(conflicting),
        conflicting=tuple(conflicting[:_EXAMPLES]),
        replaced=sum("\ufffd" in event.text for event in events["train"]),
    )


def spread(values: Sequence[float]) -> Spread:
    """Return how numbers lie; nearest ranks, at least one number."""
    ranked = sorted(values)

    def at(share: float) -> float:
        return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]

    return Spread(ranked[0], at(0.5), at(0.95), ranked[-1], sum(ranked) / len(ranked))


def _labels(events: Iterable[LabelledEvent]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for event in events:
        if isinstance(event.label, tuple):
            counts.update(event.label)
        elif isinstance(event.label, str):
            counts[event.label] += 1
    return counts


def _conflicting(events: Iterable[LabelledEvent]) -> list[str]:
    given: defaultdict[str, set[Any]] = defaultdict(set)
    for event in events:
        given[event.text].add(event.label)
    return [text for text, labels in given.items() if len(labels) > 1]


def _repeated(events: dict[str, list[LabelledEvent]]) -> dict[str, int]:
    seen: set[str] = set()
    counts = {}
    for name in SPLITS:
        counts[name] = sum(event.text in seen for event in events[name])
        seen.update(event.text for event in events[name])
    return counts
