"""Times and durations as people write them on a command line."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """Seconds in `90`, `90s`, `15m`, `6h` or `2d`; ValueError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not match:
        raise ValueError(f"{text!r} is no duration; write 90s, 15m, 6h or 2d")
    return float(match[1]) * _UNITS[match[2] or "s"]


def moment(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time, UTC where it names no zone."""
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"{text!r} is no time; write 2026-01-05T10:00:00Z") from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=timezone.utc)
    return parsed.timestamp()


def moment_or_duration(text: str, start: float) -> float:
    """Seconds since the epoch of an ISO 8601 time, or of a duration after `start`."""
    try:
        return start + duration(text)
    except ValueError:
        pass
    try:
        return moment(text)
    except ValueError:
        raise ValueError(f"{text!r}: write a time (2026-01-05T10:00:00Z) or 90s, 6h, 2d") from None
