"""RawLine to Event, as the config's ``format`` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stream_bridge.config.format import BROKER, FormatConfig, LimitsConfig
from stream_bridge.errors import ParseError
from stream_bridge.parsing.fields import (
    FieldReader,
    csv_reader,
    header_reader,
    read_json,
    read_line,
)
from stream_bridge.parsing.header import header_names
from stream_bridge.parsing.own import own_parser
from stream_bridge.parsing.syslog import read_syslog
from stream_bridge.records import DeadLetter, Event, RawLine, Skipped
from stream_bridge.template import as_text, compile_template, field_getter
from stream_bridge.timestamps import time_reader


class Parser:
    """Makes events of lines; a line that is none becomes a dead letter with its reason."""

    def __init__(self, form: FormatConfig, limits: LimitsConfig):
        self._encoding = form.encoding
        self._errors = "strict" if form.undecodable == "dead_letter" else "replace"
        self._limit = limits.max_line_bytes
        self._oldest = _micros(limits.max_age_seconds)
        self._newest = _micros(limits.max_ahead_seconds)
        self._fields = _field_reader(form)
        self._text = compile_template(form.text or _default_text(form))
        self._id = field_getter(form.id) if form.id else None
        self._key = field_getter(form.key) if form.key else None
        self._attributes = [(path, field_getter(path)) for path in form.attributes]
        self._time = _time_of(form)
        self._wants_broker = any(name.startswith(BROKER) for name in form.named_fields)

    def __call__(self, raw: RawLine) -> Event | DeadLetter | Skipped:
        """The event of a line, or what else the line is."""
        try:
            return self._event(raw)
        except ParseError as error:
            return DeadLetter(
                raw, None, "parse", error.code, str(error), 1, raw.arrived, raw.arrived
            )

    def _event(self, raw: RawLine) -> Event | Skipped:
        if raw.truncated:
            raise ParseError(
                "OVERSIZED", f"the line is longer than limits.max_line_bytes = {self._limit}"
            )
        try:
            line = raw.data.decode(self._encoding, self._errors)
        except UnicodeDecodeError as error:
            reason = f"not {self._encoding} at byte {error.start}: {error.reason}"
            raise ParseError("UNDECODABLE", reason) from error
        if not line or line.isspace():
            return Skipped(raw)
        fields = self._fields(line)
        if fields is None:
            return Skipped(raw, "no event")
        if self._wants_broker:
            fields = {**fields, **_of_broker(raw)}
        try:
            text = self._text(fields)
            event_id = as_text(self._id(fields)) if self._id else raw.position
            key = as_text(self._key(fields)) if self._key else raw.key
        except KeyError as error:
            reason = f"the line has no field {error.args[0]!r}"
            raise ParseError("MISSING_FIELD", reason) from error
        if not event_id:
            raise ParseError("MISSING_FIELD", "the event id is empty")
        when = self._time(fields) if self._time else None
        if when is None:
            when = raw.arrived
        if self._oldest is not None and when < raw.arrived - self._oldest:
            raise ParseError(
                "LATE", f"the event is {(raw.arrived - when) / 1e6:.0f} s old, over limits.max_age"
            )
        if self._newest is not None and when > raw.arrived + self._newest:
            raise ParseError(
                "FUTURE", f"the event is {(when - raw.arrived) / 1e6:.0f} s ahead of the clock"
            )
        return Event(
            id=event_id,
            time=when,
            text=text,
            key=key,
            source=raw.source,
            attributes=self._kept(raw.attributes, fields),
            raw=raw,
        )

    def _kept(self, broker: Mapping[str, str], fields: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = dict(broker)
        for path, get in self._attributes:
            try:
                kept[path] = get(fields)
            except KeyError:
                # Attributes only travel along: one that is not there is no reason to lose the rest.
                kept[path] = None
        return kept


def _of_broker(raw: RawLine) -> dict[str, Any]:
    """What came beside the bytes, as fields; a key that is not there is no field."""
    found: dict[str, Any] = {f"{BROKER}attributes.{k}": v for k, v in raw.attributes.items()}
    found[f"{BROKER}source"] = raw.source
    if raw.key is not None:
        found[f"{BROKER}key"] = raw.key
    return found


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


def _field_reader(form: FormatConfig) -> FieldReader:
    if form.kind == "json":
        return read_json
    if form.kind == "csv":
        return csv_reader(form.columns, form.delimiter)
    if form.kind == "syslog":
        return read_syslog
    if form.kind == "own":
        return own_parser(form.parser or "")
    if form.kind == "header":
        return header_reader(form.header or "")
    return read_line


def _default_text(form: FormatConfig) -> str:
    if form.kind == "header":
        return "{" + header_names(form.header or "")[-1] + "}"
    return "{message}" if form.kind == "syslog" else "{line}"


def _time_of(form: FormatConfig) -> Callable[[Mapping[str, Any]], int | None] | None:
    if form.time is None:
        return None
    # A sender of syslog without a clock says so: its time is when the message arrived.
    where, may_be_null = form.time, form.kind == "syslog"
    get, read = field_getter(where.field), time_reader(where.format, where.zone)

    def event_time(fields: Mapping[str, Any]) -> int | None:
        try:
            value = get(fields)
        except KeyError as error:
            raise ParseError("MISSING_FIELD", f"the line has no field {where.field!r}") from error
        if value is None and may_be_null:
            return None
        try:
            return read(value)
        except (ValueError, TypeError, OverflowError) as error:
            reason = f"field {where.field!r} is no time of format {where.format}: {value!r:.80}"
            raise ParseError("BAD_TIME", reason) from error

    return event_time
