"""Lines of an existing log, to be streamed as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from .errors import UsageError
from .records import ANOMALY, NORMAL
from .streaming import Timed

_FIELD = re.compile(r"<(\w+)>")

Truth = Callable[[str], str | None]


def replay(path: Path, rate: float, skip: int, limit: int | None, truth: Truth | None):
    """The lines of `path` after the first `skip`, `rate` a second, as an iterator of Timed.

    `truth` gives a line's label value (None where the line has none); see `label_of`.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    return _timed(file, rate, skip, limit, truth)


def _timed(file, rate: float, skip: int, limit: int | None, truth: Truth | None) -> Iterator[Timed]:
    with file:
        stop = None if limit is None else skip + limit
        for n, line in enumerate(islice(file, skip, stop)):
            if not line.endswith(b"\n"):
                line += b"\n"
            incident = truth(line.decode(errors="replace").rstrip("\r\n")) if truth else None
            label = None if truth is None else (ANOMALY if incident else NORMAL)
            yield Timed(n / rate, line, None, label, incident)


def label_of(header: str, field: str, normal: str) -> Truth:
    """A function from a line to the kind of its incident, None for a normal line.

    `header` describes a line as logparser does, `"<Label> <Time> <Content>"`; `field` names the
    part with the label, `normal` is its value for a normal line. A line that does not fit the
    header counts as normal.
    """
    names = _FIELD.findall(header)
    if field not in names:
        raise UsageError(f"--header has no <{field}>: {header}")
    pattern = _compile(header, names)

    def truth(line: str) -> str | None:
        match = pattern.fullmatch(line)
        value = match[field] if match else normal
        return None if value == normal else value

    return truth


def _compile(header: str, names: list[str]) -> re.Pattern[str]:
    # Spaces in a header stand for one or more spaces in the line, as logparser reads them.
    parts = _FIELD.split(header)
    pattern = ""
    for n, part in enumerate(parts):
        if n % 2 == 0:
            pattern += re.sub(r"(\\ )+", r"\\s+", re.escape(part))
        else:
            pattern += f"(?P<{part}>{'.*' if part == names[-1] else '.*?'})"
    return re.compile(pattern)
