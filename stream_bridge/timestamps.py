"""Event times: text or numbers in many formats to microseconds since the epoch, and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_UNITS = {"unix": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
# Beam's own range of timestamps, the years it can print included.
_MIN, _MAX = -62_135_596_800_000_000, 253_402_300_799_999_999


def _machine() -> int:
    return time.time_ns() // 1000


_clock = _machine


def now() -> int:
    """The wall clock, microseconds since the epoch."""
    return _clock()


def set_clock(clock: Callable[[], int] | None) -> None:
    """Puts a clock in the place of the machine's, for tests that turn it by hand; None restores."""
    global _clock
    _clock = clock or _machine


def to_iso(micros: int) -> str:
    """Microseconds since the epoch as ``2026-01-05T10:00:00.123456Z``."""
    minute, rest = divmod(micros, 60_000_000)
    return f"{_minute(minute)}{rest / 1_000_000:09.6f}Z"


# Events of one moment come together.
@lru_cache(4096)
def _minute(minutes: int) -> str:
    """Minutes since the epoch as ``2026-01-05T10:00:``."""
    return (_NAIVE_EPOCH + timedelta(minutes=minutes)).isoformat()[:17]


def _micros(when: datetime, zone: ZoneInfo) -> int:
    if when.tzinfo is None:
        when = when.replace(tzinfo=zone)
    return (when - _EPOCH) // _MICROSECOND


def time_reader(form: str, zone: str) -> Callable[[Any], int]:
    """A function from a field's value to microseconds since the epoch.

    Args:
      form: ``iso``, ``unix`` (seconds, fractions allowed), ``unix_ms``, ``unix_us``, ``syslog``
        (ISO, or the time of RFC 3164), or a ``strptime`` pattern. A pattern without a year takes
        the current one.
      zone: IANA name of the zone of times that do not say their own.

    The function raises ValueError (or TypeError, OverflowError) where the value is no such time.
    """
    tz = ZoneInfo(zone)
    if form in _UNITS:
        unit = _UNITS[form]

        def read_number(value: Any) -> int:
            # Whole numbers stay exact: a float cannot hold microseconds of large times.
            text = str(value).strip()
            micros = int(text) * unit if text.lstrip("+-").isdigit() else round(float(text) * unit)
            return _checked(micros)

        return read_number
    if form == "iso":
        return lambda value: _checked(
            _micros(datetime.fromisoformat(_iso_for_all_pythons(str(value).strip())), tz)
        )

    if form == "syslog":
        iso, old = time_reader("iso", zone), time_reader("%b %d %H:%M:%S", zone)
        return lambda value: (iso if str(value)[:1].isdigit() else old)(value)

    dated = "%Y" in form or "%y" in form or "%c" in form or "%x" in form or "%G" in form

    def read_pattern(value: Any) -> int:
        text = str(value).strip()
        if dated:
            return _checked(_micros(datetime.strptime(text, form), tz))
        this_year = datetime.now(tz).year
        when = datetime.strptime(f"{this_year} {text}", f"%Y {form}")
        # In January, lines of December still arrive.
        if when - datetime.now(tz).replace(tzinfo=None) > timedelta(days=30):
            when = when.replace(year=this_year - 1)
        return _checked(_micros(when, tz))

    return read_pattern


def _iso_for_all_pythons(text: str) -> str:
    # Python 3.10's fromisoformat knows neither "Z" nor fractions other than 3 or 6 digits.
    if text.endswith(("Z", "z")):
        text = text[:-1] + "+00:00"
    if "." in text:
        head, _, rest = text.partition(".")
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = f"{head}.{rest[:digits][:6].ljust(6, '0')}{rest[digits:]}"
    return text


def _checked(micros: int) -> int:
    if not _MIN <= micros <= _MAX:
        raise ValueError("the time is outside the years 1 to 9999")
    return micros
