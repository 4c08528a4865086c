"""Message templates and the values that fill them.

A template is text with placeholders:

| placeholder    | filled with                                                           |
|----------------|-----------------------------------------------------------------------|
| `{user}`       | a value of that name from `VALUES`                                    |
| `{n:2-90}`     | a whole number, every one as likely                                   |
| `{ms:2-90}`    | a whole number, small ones more likely (durations, sizes)             |
| `{f:0.1-2}`    | a number with two decimals                                            |
| `{rise:80-99}` | a whole number that climbs while an incident goes on                  |
| `{one:a|b|c}`  | one of the alternatives                                               |
| `{@user}`      | as `{user}`, but the same value for the whole of one incident         |
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .values import VALUES

_PLACEHOLDER = re.compile(r"\{(@?)(\w+)(?::([^{}]*))?\}")


@dataclass
class Scope:
    """What the lines of one incident share: its sticky values, and how far it has come (0 to 1)."""

    progress: float = 0.0
    sticky: dict[str, str] = field(default_factory=dict)


Filler = Callable[[random.Random, Scope], str]


class Template:
    """A message template, parsed once; ValueError for a placeholder that does not exist."""

    def __init__(self, text: str):
        self.text = text
        self._parts: list[str | Filler] = []
        end = 0
        for match in _PLACEHOLDER.finditer(text):
            self._parts += [text[end : match.start()], _filler(*match.groups())]
            end = match.end()
        self._parts.append(text[end:])

    def fill(self, rng: random.Random, scope: Scope) -> str:
        """The message with fresh values from `rng` and the sticky ones of `scope`."""
        return "".join(p if isinstance(p, str) else p(rng, scope) for p in self._parts)


def _filler(at: str, name: str, argument: str | None) -> Filler:
    make = _ranged(name, argument) if argument is not None else _named(name)
    if not at:
        return make
    key = f"{name}:{argument}"

    def sticky(rng: random.Random, scope: Scope) -> str:
        if key not in scope.sticky:
            scope.sticky[key] = make(rng, scope)
        return scope.sticky[key]

    return sticky


def _named(name: str) -> Filler:
    if name not in VALUES:
        raise ValueError(f"no value is called {name!r}")
    value = VALUES[name]
    return lambda rng, scope: value(rng)


def _ranged(name: str, argument: str) -> Filler:
    if name == "one":
        choices = argument.split("|")
        return lambda rng, scope: rng.choice(choices)
    low, high = (float(bound) for bound in argument.split("-"))
    if name == "n":
        return lambda rng, scope: str(rng.randint(int(low), int(high)))
    if name == "ms":
        a, b = math.log(low + 1), math.log(high + 1)
        return lambda rng, scope: str(round(math.exp(rng.uniform(a, b)) - 1))
    if name == "f":
        return lambda rng, scope: f"{rng.uniform(low, high):.2f}"
    if name == "rise":
        return lambda rng, scope: str(
            round(low + (high - low) * min(1.0, scope.progress * rng.uniform(0.8, 1.1)))
        )
    raise ValueError(f"no placeholder is called {name!r}")
