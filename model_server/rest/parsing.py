"""JSON as TF Serving's parser takes it."""

from __future__ import annotations

import json
import re
from typing import Any

from model_server.errors import InvalidArgumentError

_STRING_OR_INF = re.compile(r'"(?:[^"\\]|\\.)*"|\bInf(?!inity)\b')
_REASONS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or } after an object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}
_LIMIT = 256
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_object(body: bytes) -> dict[str, Any]:
    """The object that `body` begins with; what follows its closing brace is ignored.

    Bytes that are not UTF-8 are kept as they are, as surrogate escapes.

    Raises:
        InvalidArgumentError: it is empty, not JSON, nested too deeply, or not an object.
    """
    text = body.decode("utf-8", "surrogateescape").lstrip(" \t\r\n")
    if not text:
        raise InvalidArgumentError("JSON Parse error: The document is empty")
    decoder = json.JSONDecoder()
    try:
        try:
            value, _ = decoder.raw_decode(text)
        except json.JSONDecodeError:
            if "Inf" not in text:
                raise
            value, _ = decoder.raw_decode(_STRING_OR_INF.sub(_spell_out, text))
    except json.JSONDecodeError as error:
        reason = _REASONS.get(error.msg.removesuffix(" at"), _REASONS.get(error.msg, error.msg))
        raise InvalidArgumentError(f"JSON Parse error: {reason} at offset: {error.pos}") from error
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "Number too big"
        raise InvalidArgumentError(f"JSON Parse error: {reason}") from error
    if _ESCAPED_SURROGATE.search(text):
        _check_surrogates(value)
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"JSON Value: {show(value)} Is not object")
    return value


def _check_surrogates(value: Any) -> None:
    try:
        text_bytes(json.dumps(value, ensure_ascii=False))
    except RecursionError as error:
        raise InvalidArgumentError("JSON Parse error: nested too deeply") from error


def _spell_out(match: re.Match[str]) -> str:
    return "Infinity" if match[0] == "Inf" else match[0]


def show(value: Any) -> str:
    """A value as error messages quote it, cut at about 256 characters."""
    try:
        text = json.dumps(value, indent=4, ensure_ascii=False)
    except (RecursionError, ValueError):
        return "..."
    return text if len(text) <= _LIMIT else text[:_LIMIT] + "..."


def kind(value: Any) -> str:
    """The JSON type of a value, as error messages name it."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, str):
        return "String"
    if isinstance(value, dict):
        return "Object"
    return "Array" if isinstance(value, list) else "Number"


def proto_text(text: str) -> str:
    """A JSON string for a message field that must be UTF-8; other bytes are replaced."""
    return text_bytes(text).decode("utf-8", "replace")


def text_bytes(text: str) -> bytes:
    """The bytes of a JSON string.

    Raises:
        InvalidArgumentError: it holds half of a surrogate pair.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from error
