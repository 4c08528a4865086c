"""Which spans there are, found without TensorFlow."""

from __future__ import annotations

import re
from pathlib import Path

_SPAN = re.compile(r"span-(\d+)")


def span_numbers(spans: Path) -> list[int]:
    """Return the numbers of the spans below a directory, ascending."""
    if not spans.is_dir():
        return []
    matches = (_SPAN.fullmatch(child.name) for child in spans.iterdir())
    return sorted(int(match[1]) for match in matches if match)
