"""The labelled events: files, formats, fields, splits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from tfx_pipeline.config.base import Frozen, Share
from tfx_pipeline.text import template_fields

SPLITS = ("train", "eval", "test")


class FormatConfig(Frozen):
    """The file format of the labelled events.

    `json` is one object a line; `csv` any delimiter, with a header row unless `columns` names the
    columns, and `"` is a letter like others with `quotes: false`; `conll` one token a line with
    blank lines between texts, its columns parted by `delimiter` (white space unless given) and
    named by `columns` (first the tokens, last the tags unless given); `parquet` by its columns.
    `header` describes a log line as logparser and loghub do: `<Label> <Time> <Level> <Content>`;
    the last field takes the rest of the line.
    """

    kind: Literal["json", "csv", "conll", "parquet", "header"] = "json"
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quotes: bool = True
    columns: tuple[str, ...] = ()
    header: str | None = None

    @model_validator(mode="after")
    def _header_belongs_to_its_kind(self) -> FormatConfig:
        if (self.kind == "header") != (self.header is not None):
            raise ValueError("header is required with kind: header, and only there")
        if self.columns and self.kind not in ("csv", "conll"):
            raise ValueError("columns belong to kind: csv and kind: conll")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns: each name once")
        return self


class TimeConfig(Frozen):
    """Where an event's time stands and how it is written.

    `format` is `iso` (8601), `unix` (seconds), `unix_ms`, `unix_us`, or a strptime pattern;
    `zone` is used when the text itself names none.
    """

    field: str
    format: str = "iso"
    zone: str = "UTC"


class SplitConfig(Frozen):
    """How events are divided into train, eval and test.

    `auto` keeps the data's own split where `data.files` names splits, else cuts by time, else
    hashes the text. `eval` chooses epochs and thresholds; `test` is only for the final figures.
    """

    rule: Literal["auto", "given", "time", "hash"] = "auto"
    train: Share = 0.7
    eval: Share = 0.1
    test: Share = 0.2

    @model_validator(mode="after")
    def _shares_add_up(self) -> SplitConfig:
        if abs(self.train + self.eval + self.test - 1.0) > 1e-6:
            raise ValueError("train + eval + test must be 1")
        return self


class SpansConfig(Frozen):
    """Which spans a run takes: the `last` so many, the newest of them to be judged on.

    A model learns from their train splits, and epochs and thresholds are chosen on their eval
    splits; the test split is that of the newest. Labels may come with a span and go with another.
    """

    last: int = Field(default=1, ge=1)


class DataConfig(Frozen):
    """The labelled events and the spans made of them.

    `files` is a list of paths and globs, or a mapping from split to such a list.
    `normal` lists the label values that mean normal (anomaly task); all others are anomalies.
    Token tasks take their text from the list of strings `tokens`, and one tag for each from the
    list `label`. `tag_unit` says what gets a tag there: `word`, whatever stands between white
    space, or `token`, for which BERT parts punctuation and Chinese characters off words too.
    `features` are fields copied beside the text, for slices.
    `max_rejected` is the share of rows that may be bad before the import fails.
    `accept_schema_change` lets a run go on with other features than the run before had.
    """

    root: Path = Path(".livebert/data")
    files: tuple[str, ...] | dict[Literal["train", "eval", "test"], tuple[str, ...]] = ()
    format: FormatConfig = FormatConfig()
    text: str = "{text}"
    label: str = "label"
    tokens: str = "tokens"
    tag_unit: Literal["word", "token"] = "word"
    normal: tuple[str, ...] = ("normal",)
    event_id: str | None = None
    event_time: TimeConfig | None = None
    weight: str | None = None
    features: tuple[str, ...] = ()
    split: SplitConfig = SplitConfig()
    spans: SpansConfig = SpansConfig()
    duplicates: Literal["drop", "keep"] = "drop"
    max_rejected: Share = 0.01
    accept_schema_change: bool = False

    @field_validator("text")
    @classmethod
    def _template_parses(cls, template: str) -> str:
        if not template_fields(template):
            raise ValueError("the template names no field, for example '{message}'")
        return template
