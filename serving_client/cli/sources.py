"""Where the items of a command come from: arguments, a file, or stdin."""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import sys
from collections.abc import Iterator
from typing import Any

from serving_client.errors import InputError


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    """The items as text. Without arguments and file: the lines of stdin."""
    if arguments.items and arguments.file:
        raise InputError("give items or --file, not both")
    if arguments.items:
        yield from arguments.items
        return
    if arguments.file:
        try:
            with arguments.file.open(encoding="utf-8", errors="replace") as source:
                for line in source:
                    yield line.rstrip("\r\n")
        except OSError as error:
            raise InputError(f"cannot read {arguments.file}: {error.strerror}") from error
        return
    if sys.stdin.isatty():
        print("reading lines from the terminal, end with Ctrl-D", file=sys.stderr)
    for line in sys.stdin:
        yield line.rstrip("\r\n")


def count(arguments: argparse.Namespace) -> int | None:
    """How many items there will be; None where only reading them all would tell."""
    if arguments.file is None:
        return len(arguments.items) or None
    if not arguments.file.is_file():  # a pipe can be read once
        return None
    found, piece = 0, b""
    with arguments.file.open("rb") as source:
        while more := source.read(1 << 20):
            piece = more
            found += piece.count(b"\n")
    return found + (not piece.endswith(b"\n")) if piece else None


def parsed(text: str, position: int) -> Any:
    """A JSON item; `{"b64": "…"}` stands for bytes, as in TF Serving's REST API."""
    try:
        return _unpack(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InputError(f"item {position} is not JSON: {error}") from error


def items(arguments: argparse.Namespace) -> Iterator[Any]:
    """The items of predict and bench: texts, or JSON values with --json."""
    for position, line in enumerate(lines(arguments), start=1):
        if not arguments.json:
            yield line
        elif line.strip():
            yield parsed(line, position)


def examples(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The items of classify and regress: JSON objects of features."""
    found = []
    for position, line in enumerate(lines(arguments), start=1):
        if not line.strip():
            continue
        example = parsed(line, position)
        if not isinstance(example, dict):
            raise InputError(f"item {position} is not a JSON object of features")
        found.append(example)
    return found


def _unpack(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"b64"} and isinstance(value["b64"], str):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except binascii.Error as error:
                raise ValueError(f"bad base64: {error}") from error
        return {key: _unpack(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_unpack(each) for each in value]
    return value
