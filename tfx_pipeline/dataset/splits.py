"""Which events train the model and which judge it.

Splits are ordered by time unless the data names its own split or has no time: a model that
is asked about tomorrow must be judged on events that come after those it has seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tfx_pipeline.config import SPLITS, SplitConfig
from tfx_pipeline.errors import DataError
from tfx_pipeline.records import LabelledEvent


@dataclass(frozen=True)
class Split:
    """Events by split, the rule that was used, and how many duplicates each split lost."""

    rule: str
    events: dict[str, list[LabelledEvent]]
    dropped: dict[str, int]


def split_events(
    events: Sequence[LabelledEvent], config: SplitConfig, drop_duplicates: bool
) -> Split:
    """Divide events into train, eval and test.

    With `drop_duplicates` a text that stands in an earlier split (train before eval before
    test) is dropped from the later ones; repeats inside a split stay, they are its frequency.

    Raises:
        DataError: the rule cannot be used on these events, or a split would be empty.
    """
    rule = config.rule if config.rule != "auto" else _choose_rule(events)
    if rule == "given":
        parts = _given(events, config)
    elif rule == "time":
        parts = _by_time(events, config)
    else:
        parts = _by_hash(events, config)
    dropped = dict.fromkeys(SPLITS, 0)
    if drop_duplicates:
        parts, dropped = _drop_duplicates(parts)
    for name in SPLITS:
        if not parts[name]:
            raise DataError(
                f"the {name} split is empty ({len(events)} events, rule {rule}, "
                f"{dropped[name]} dropped as duplicates): give more events, change data.split, "
                f"or set data.duplicates: keep"
            )
    return Split(rule, parts, dropped)


def _choose_rule(events: Sequence[LabelledEvent]) -> str:
    if any(event.given_split for event in events):
        return "given"
    if all(event.event_time is not None for event in events):
        return "time"
    return "hash"


def _given(events: Sequence[LabelledEvent], config: SplitConfig) -> dict[str, list[LabelledEvent]]:
    parts: dict[str, list[LabelledEvent]] = {name: [] for name in SPLITS}
    for event in events:
        if event.given_split is None:
            raise DataError("data.split.rule is given, but data.files names no splits")
        parts[event.given_split].append(event)
    if parts["train"] and not parts["eval"]:
        # Data with only train and test: eval is taken out of train, never out of test.
        share = config.eval / (config.train + config.eval)
        kept = [event for event in parts["train"] if _bucket(event.text) >= share]
        parts["eval"] = [event for event in parts["train"] if _bucket(event.text) < share]
        parts["train"] = kept
    return parts


def _by_time(
    events: Sequence[LabelledEvent], config: SplitConfig
) -> dict[str, list[LabelledEvent]]:
    if any(event.event_time is None for event in events):
        raise DataError("data.split.rule is time, but data.event_time is not set")
    ordered = sorted(events, key=lambda event: event.event_time or 0)
    first = round(len(ordered) * config.train)
    second = round(len(ordered) * (config.train + config.eval))
    return {"train": ordered[:first], "eval": ordered[first:second], "test": ordered[second:]}


def _by_hash(
    events: Sequence[LabelledEvent], config: SplitConfig
) -> dict[str, list[LabelledEvent]]:
    parts: dict[str, list[LabelledEvent]] = {name: [] for name in SPLITS}
    for event in events:
        bucket = _bucket(event.text)
        if bucket < config.train:
            parts["train"].append(event)
        elif bucket < config.train + config.eval:
            parts["eval"].append(event)
        else:
            parts["test"].append(event)
    return parts


def _bucket(text: str) -> float:
    """Map a text to [0, 1), the same on every machine and in every run."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _drop_duplicates(
    parts: dict[str, list[LabelledEvent]],
) -> tuple[dict[str, list[LabelledEvent]], dict[str, int]]:
    seen: set[str] = set()
    kept: dict[str, list[LabelledEvent]] = {}
    for name in SPLITS:
        kept[name] = [event for event in parts[name] if event.text not in seen]
        seen.update(event.text for event in kept[name])
    return kept, {name: len(parts[name]) - len(kept[name]) for name in SPLITS}
