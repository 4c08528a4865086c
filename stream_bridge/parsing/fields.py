"""A line's text to its named fields, one function per format."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from stream_bridge.errors import ParseError
from stream_bridge.parsing.header import compile_header

# None: the line holds no event.
FieldReader = Callable[[str], Mapping[str, Any] | None]


def read_line(text: str) -> Mapping[str, Any]:
    """A plain line: one field, ``line``."""
    return {"line": text}


def read_json(text: str) -> Mapping[str, Any]:
    """A JSON object: its keys."""
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ParseError("NOT_JSON", f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ParseError("NOT_JSON", f"a JSON object is wanted, not {type(fields).__name__}")
    return fields


def csv_reader(columns: Sequence[str], delimiter: str) -> FieldReader:
    """A line of comma-separated values: the names of the columns; the line of names is no event."""
    names = list(columns)

    def read_csv(text: str) -> Mapping[str, Any] | None:
        try:
            (values,) = csv.reader([text], delimiter=delimiter, strict=True)
        except (csv.Error, ValueError) as error:
            raise ParseError("NO_MATCH", f"not CSV: {error}") from error
        if values == names:
            return None
        if len(values) != len(names):
            raise ParseError("NO_MATCH", f"{len(values)} columns, not {len(names)}")
        return dict(zip(names, values, strict=True))

    return read_csv


def header_reader(header: str) -> FieldReader:
    """A line in a loghub-style format: the names of the format."""
    pattern = compile_header(header)

    def read_header(text: str) -> Mapping[str, Any]:
        found = pattern.fullmatch(text)
        if found is None:
            raise ParseError("NO_MATCH", f"the line does not match the format {header}")
        return found.groupdict()

    return read_header
