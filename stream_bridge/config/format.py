"""How a line becomes an event."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import PositiveInt, field_validator, model_validator

from stream_bridge.config.base import Frozen
from stream_bridge.parsing.header import compile_header
from stream_bridge.template import compile_template
from stream_bridge.timestamps import time_reader


class TimeConfig(Frozen):
    """Where the event time stands.

    Attributes:
      field: the field that holds it.
      format: ``iso``, ``unix`` (seconds), ``unix_ms``, ``unix_us`` or a strptime pattern.
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
      kind: ``lines`` (one field, ``line``), ``json`` (its keys; dotted paths reach inside) or
        ``header`` (the names of ``header``).
      header: loghub-style format such as ``<Date> <Time> <Level> <Content>``; the last field
        takes the rest of the line.
      text: template of the model's input, for instance ``{service} {severity} {message}``;
        default: the whole line, or the header's last field.
      id: field of the event id; default: the source position.
      time: where the event time stands; default: when the line was read.
      key: field of the key.
      attributes: fields that travel with the prediction.
      encoding: of the bytes.
      undecodable: what a line gets that is not in that encoding.
    """

    kind: Literal["lines", "json", "header"] = "lines"
    header: str | None = None
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
        if self.kind == "json" and self.text is None:
            raise ValueError("kind 'json' needs the key 'text', for instance '{message}'")
        return self


class LimitsConfig(Frozen):
    """Sizes beyond which a line is a dead letter.

    Attributes:
      max_line_bytes: longest line.
    """

    max_line_bytes: PositiveInt = 1 << 20
