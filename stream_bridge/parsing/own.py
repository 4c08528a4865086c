"""A user's own parser, by its dotted name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from stream_bridge.errors import ParseError


def own_parser(name: str) -> Callable[[str], Mapping[str, Any] | None]:
    """The function ``MODULE:FUNCTION``, from a line's text to its fields.

    The function returns a mapping, or None for a line that is no event; what it raises makes the
    line a dead letter with the code NOT_PARSED. Modules are looked for in the working directory,
    too. Raises ValueError where there is no such function.
    """
    module, colon, function = name.partition(":")
    if not colon or not function:
        raise ValueError("write MODULE:FUNCTION, for instance my_package.events:parse")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        parse = getattr(import_module(module), function)
    except ImportError as error:
        raise ValueError(f"{module} cannot be imported: {error}") from error
    except AttributeError as error:
        raise ValueError(f"{module} has no {function}") from error
    if not callable(parse):
        raise ValueError(f"{name} is no function")

    def read(text: str) -> Mapping[str, Any] | None:
        try:
            fields = parse(text)
        except Exception as error:  # the user's own, whatever it is: the line is kept
            raise ParseError("NOT_PARSED", f"{name}: {type(error).__name__}: {error}") from error
        if fields is not None and not isinstance(fields, Mapping):
            kind = type(fields).__name__
            raise ParseError("NOT_PARSED", f"{name} returns {kind}, not a mapping or None")
        return fields

    return read
