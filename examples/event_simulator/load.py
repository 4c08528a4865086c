"""When lines are written: a random stream whose rate follows the day and has bursts."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

DAY_SECONDS = 86_400.0

_BURST_EVERY = 1 / 600  # bursts begin at one line in 600,
_BURST_LINES = (40, 120)  # last that many lines,
_BURST_FACTOR = 4.0  # and come that much faster
_BUSIEST_HOUR = 15.0
_SWING = 0.55  # the busiest hour has 1 + _SWING times the mean rate, the quietest 1 - _SWING


def moments(rng: random.Random, rate: float, *, start: float, daily: bool) -> Iterator[float]:
    """Endless moments in seconds after `start` (seconds since the epoch), in order.

    `rate` is the mean in lines per second. With `daily` it follows the hour of the day, and is the
    mean over whole days.
    """
    lines_per_burst = sum(_BURST_LINES) / 2
    in_bursts = lines_per_burst / (lines_per_burst + 1 / _BURST_EVERY)
    calm_rate = rate * (1 - in_bursts + in_bursts / _BURST_FACTOR)
    now, burst_left = 0.0, 0
    while True:
        factor = _day_factor(start + now) if daily else 1.0
        if burst_left:
            burst_left -= 1
            factor *= _BURST_FACTOR
        elif rng.random() < _BURST_EVERY:
            burst_left = rng.randint(*_BURST_LINES)
        now += rng.expovariate(1.0) / (calm_rate * factor)
        yield now


def hour_of_day(seconds: float) -> float:
    """The hour (0 to 24, UTC) of a time in seconds since the epoch."""
    return seconds % DAY_SECONDS / 3600


def _day_factor(seconds: float) -> float:
    angle = (hour_of_day(seconds) - _BUSIEST_HOUR) / 24 * 2 * math.pi
    return 1 + _SWING * math.cos(angle)
