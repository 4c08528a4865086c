"""Expressions of the config, in CEL (https://cel.dev): compiled once, checked before they run.

What an expression can name depends on what it is about::

    event        id text key source attributes time age
    prediction   those, and label score alert suppressed review outputs model version cached
    dead letter  id text key source attributes time age code stage message attempts
    window       key start end events alerts alert_rate quantiles late

``key``, ``id`` and ``text`` are strings (empty where there is none), ``attributes`` and
``outputs`` maps, ``time`` a timestamp, ``age`` the seconds since then, ``label`` the output of
that name (empty where there is none), ``score`` the output that ``alert.score`` names (null).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from operator import attrgetter
from typing import Any

import cel

from stream_bridge.records import DeadLetter, Event, Prediction
from stream_bridge.timestamps import now

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# Macros bring a name of their own: `tags.exists(tag, tag == "x")`.
_MACRO_NAME = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,")
# The engine finds an unknown function only when it gets there; it should be said before.
_FUNCTIONS = frozenset(
    [
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "size",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "timestamp",
        "duration",
        "type",
        "dyn",
        "has",
        "all",
        "exists",
        "exists_one",
        "map",
        "filter",
        "getFullYear",
        "getMonth",
        "getDayOfYear",
        "getDayOfMonth",
        "getDate",
        "getDayOfWeek",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    ]
)

Variables = Mapping[str, Callable[[Any], Any]]


def _time(event: Event) -> datetime:
    return _EPOCH + timedelta(microseconds=event.time)


def _age(event: Event) -> float:
    return (now() - event.time) / 1_000_000


EVENT: Variables = {
    "id": attrgetter("id"),
    "text": attrgetter("text"),
    "key": lambda event: event.key or "",
    "source": attrgetter("source"),
    "attributes": attrgetter("attributes"),
    "time": _time,
    "age": _age,
}


def _of_event(get: Callable[[Event], Any]) -> Callable[[Prediction], Any]:
    return lambda prediction: get(prediction.event)


def _of_letter(name: str) -> Callable[[DeadLetter], Any]:
    get = EVENT[name]
    empty: Any = {"attributes": {}, "time": None, "age": None}.get(name, "")
    return lambda letter: get(letter.event) if letter.event else empty


def prediction_variables(score: str) -> Variables:
    """What an expression about a prediction can name.

    Args:
      score: the output that ``score`` stands for.
    """
    return {
        **{name: _of_event(get) for name, get in EVENT.items()},
        "label": lambda prediction: prediction.outputs.get("label", ""),
        "score": lambda prediction: prediction.outputs.get(score),
        "alert": attrgetter("alert"),
        "suppressed": attrgetter("suppressed"),
        "review": lambda prediction: list(prediction.review),
        "outputs": attrgetter("outputs"),
        "model": attrgetter("model"),
        "version": attrgetter("version"),
        "cached": attrgetter("cached"),
    }


DEAD_LETTER: Variables = {
    **{name: _of_letter(name) for name in EVENT},
    "source": lambda letter: letter.raw.source,
    "code": attrgetter("code"),
    "stage": attrgetter("stage"),
    "message": attrgetter("message"),
    "attempts": attrgetter("attempts"),
}


WINDOW: Variables = {
    "key": attrgetter("key"),
    "start": lambda window: _EPOCH + timedelta(microseconds=window.start),
    "end": lambda window: _EPOCH + timedelta(microseconds=window.end),
    "events": attrgetter("events"),
    "alerts": attrgetter("alerts"),
    "alert_rate": attrgetter("alert_rate"),
    "quantiles": attrgetter("quantiles"),
    "late": attrgetter("late"),
}


class Expression:
    """One compiled expression that says yes or no.

    Args:
      source: the expression.
      variables: what it can name, and how each is found.

    Raises ValueError in words where it cannot be compiled or names something unknown.
    """

    def __init__(self, source: str, variables: Variables):
        self.source = source
        try:
            self._program = cel.compile(source)
        except ValueError as error:
            raise ValueError(_in_one_line(source, str(error))) from error
        names = set(self._program.variables()) - set(_MACRO_NAME.findall(source))
        unknown = sorted(names - set(variables))
        if unknown:
            raise ValueError(
                f"{source!r} names {unknown[0]!r}, which is not there; there are "
                f"{', '.join(variables)}"
            )
        # Only what it names is converted: that is most of the cost.
        self._getters = [(name, variables[name]) for name in sorted(names)]
        for function in self._program.functions():
            if function.isidentifier() and function not in _FUNCTIONS:
                raise ValueError(f"{source!r} calls {function!r}, which is no function of CEL")

    def __call__(self, value: Any) -> bool:
        """Whether it holds. Raises ValueError in words where it fails on this value."""
        try:
            found = self._program.execute({name: get(value) for name, get in self._getters})
        except Exception as error:  # the engine raises many kinds, for one reason
            what = error.args[0] if isinstance(error, KeyError) else error
            kind = "there is no " if isinstance(error, KeyError) else ""
            raise ValueError(f"{kind}{str(what).split('. ')[0]}") from error
        if found is True or found is False:
            return found
        raise ValueError(f"it says {found!r:.60}, not true or false")


def _in_one_line(source: str, message: str) -> str:
    found = re.search(r"ERROR: <input>:\d+:(\d+): (?:Syntax error: )?([^\n]*)", message)
    if found is None:
        return f"{source!r} is no CEL expression"
    what = found.group(2).split(" expecting ")[0]
    return f"{source!r} is no CEL expression: at character {found.group(1)}: {what}"
