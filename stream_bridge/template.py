"""Templates such as ``{service} {severity} {message}``: the model's text from an event's fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_FIELD = re.compile(r"\{([^{}]*)\}")


def field_getter(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function that gets the field at a (dotted) path; raises KeyError with the path.

    A key that itself contains dots wins over the nested reading of the path.
    """
    parts = path.split(".")
    if len(parts) == 1:

        def get_plain(fields: Mapping[str, Any]) -> Any:
            try:
                return fields[path]
            except KeyError:
                raise KeyError(path) from None

        return get_plain

    def get(fields: Mapping[str, Any]) -> Any:
        if path in fields:
            return fields[path]
        value: Any = fields
        for part in parts:
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                raise KeyError(path)
        return value

    return get


def as_text(value: Any) -> str:
    """A field's value as the template writes it: null is empty, true is ``true``."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def template_fields(template: str) -> list[str]:
    """The field paths a template names, in order."""
    return _FIELD.findall(template)


def compile_template(template: str) -> Callable[[Mapping[str, Any]], str]:
    """A function from fields to text by plain ``{field}`` substitution.

    Raises ValueError (here) for an empty or unbalanced brace, KeyError (in the function) for a
    field that is not there.
    """
    pieces = _FIELD.split(template)
    literals, paths = pieces[::2], pieces[1::2]
    if any("{" in piece or "}" in piece for piece in literals) or "" in paths:
        raise ValueError("braces must stand around a field name, as in '{service} {message}'")
    getters = [field_getter(path) for path in paths]
    if not getters:
        raise ValueError("it names no field; write one in braces, as in '{message}'")
    if len(getters) == 1 and literals == ["", ""]:
        only = getters[0]
        return lambda fields: as_text(only(fields))

    # %-formatting puts the parts together in one step.
    pattern = "%s".join(literal.replace("%", "%%") for literal in literals)

    def fill(fields: Mapping[str, Any]) -> str:
        values = [getter(fields) for getter in getters]
        return pattern % tuple([v if type(v) is str else as_text(v) for v in values])

    return fill
