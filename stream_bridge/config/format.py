"""How a line becomes an event."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from stream_bridge.config.base import Frozen
from stream_bridge.parsing.header import compile_header
from stream_bridge.parsing.own import own_parser
from stream_bridge.template import compile_template, template_fields
from stream_bridge.timestamps import time_reader

# Fields that begin so are what the broker carried beside the line: `broker.key`, `broker.source`,
# `broker.attributes.NAME`.
BROKER = "broker."


class TimeConfig(Frozen):
    """Where the event time stands.

    Attributes:
      field: the field that holds it.
      format: ``iso``, ``unix`` (seconds), ``unix_ms``, ``unix_us``, ``syslog`` (of both RFCs) or a
        strptime pattern.
      zone: the zone of times that do not say their own.
    """

    field: str
    format: str = "iso"
    zone: str = "UTC"

    @model_validator(mode="after")
    def _known(self) -> TimeConfig:
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {self.zone!r}") from None
        time_reader(self.format, self.zone)
        return self


class FormatConfig(Frozen):
    """How a line becomes an event.

    Attributes:
      kind: ``lines`` (one field, ``line``), ``json`` (its keys; dotted paths reach inside),
        ``csv`` (the names of ``columns``), ``syslog`` (see `stream_bridge.parsing.syslog`),
        ``header`` (the names of ``header``) or ``own`` (what ``parser`` returns).
      header: loghub-style format such as ``<Date> <Time> <Level> <Content>``; the last field
        takes the rest of the line.
      columns: names of the CSV columns; a line of just these names is no event.
      delimiter: between CSV columns.
      parser: ``MODULE:FUNCTION``, from a line's text to a mapping of fields, or None for no event.
      text: template of the model's input, for instance ``{service} {severity} {message}``;
        default: the whole line, the header's last field, or the syslog message.
      id: field of the event id; default: the source position.
      time: where the event time stands; default: when the line was read.
      key: field of the key.
      attributes: fields that travel with the prediction.
      encoding: of the bytes.
      undecodable: what a line gets that is not in that encoding.
    """

    kind: Literal["lines", "json", "csv", "syslog", "header", "own"] = "lines"
    header: str | None = None
    columns: tuple[str, ...] = ()
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    parser: str | None = None
    text: str | None = None
    id: str | None = None
    time: TimeConfig | None = None
    key: str | None = None
    attributes: tuple[str, ...] = ()
    encoding: str = "utf-8"
    undecodable: Literal["dead_letter", "replace"] = "dead_letter"

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            raise ValueError(f"there is no encoding {encoding!r}") from None
        return encoding

    @field_validator("text")
    @classmethod
    def _good_template(cls, text: str | None) -> str | None:
        if text is not None:
            compile_template(text)
        return text

    @model_validator(mode="after")
    def _complete(self) -> FormatConfig:
        if self.kind == "header":
            if self.header is None:
                raise ValueError("kind 'header' needs the key 'header'")
            compile_header(self.header)
        elif self.header is not None:
            raise ValueError("the key 'header' goes with kind 'header'")
        if (self.kind == "csv") != bool(self.columns):
            raise ValueError("kind 'csv' and the key 'columns' go together")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns: a name stands twice")
        if (self.kind == "own") != (self.parser is not None):
            raise ValueError("kind 'own' and the key 'parser' go together")
        if self.parser is not None:
            own_parser(self.parser)
        if self.kind in ("json", "csv", "own") and self.text is None:
            raise ValueError(f"kind {self.kind!r} needs the key 'text', for instance '{{message}}'")
        if self.kind == "csv":
            self._columns_are_there()
        return self

    @property
    def named_fields(self) -> list[str]:
        """All fields that text, id, key, time and attributes name."""
        named = [*template_fields(self.text or ""), *self.attributes]
        named += [each for each in (self.id, self.key, self.time and self.time.field) if each]
        return named

    def _columns_are_there(self) -> None:
        for name in self.named_fields:
            if name not in self.columns and not name.startswith(BROKER):
                raise ValueError(
                    f"there is no column {name!r}; there are {', '.join(self.columns)}"
                )


class LimitsConfig(Frozen):
    """Bounds beyond which a line is a dead letter.

    Attributes:
      max_line_bytes: longest line.
      max_age_seconds: how long an event may have happened before it is read; None: no limit.
      max_ahead_seconds: how far its time may be ahead of this machine's clock; None: no limit.
    """

    max_line_bytes: PositiveInt = 1 << 20
    max_age_seconds: PositiveFloat | None = None
    max_ahead_seconds: PositiveFloat | None = None
