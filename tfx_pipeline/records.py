"""The values that pass through the importer: Row → LabelledEvent | RejectedRow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an input file, its fields still text.

    `number` counts from 1 as an editor shows it; `position` is the source position,
    `file:byte` for line formats and `file:row` for CSV.
    """

    file: str
    number: int
    position: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot become an event, with the reason; kept in `rejected.jsonl`."""

    file: str
    number: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class LabelledEvent:
    """One labelled event.

    `label` is a name, a float (regression), or one tag for each of `tokens` (token task), whose
    text is the tokens with a space between them. `event_time` is in microseconds since the
    epoch, None when the data has no time.
    `given_split` is the split the data itself names, None when it names none.
    """

    event_id: str
    event_time: int | None
    text: str
    label: str | float | tuple[str, ...]
    weight: float | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    given_split: str | None = None
    tokens: tuple[str, ...] = ()
