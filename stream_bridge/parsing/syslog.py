"""Syslog messages to fields: RFC 5424, and RFC 3164 as it is found in the wild.

Fields: ``priority``, ``facility``, ``severity`` (their names), ``timestamp``, ``host``, ``app``,
``procid``, ``msgid``, ``data`` (structured data: id to parameters) and ``message``; what a
message leaves out is null. ``{data.origin.software}`` reaches a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stream_bridge.errors import ParseError

_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
# RFC 5424, table 1; the last eight are local0 to local7.
_FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", "ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
_PRIORITY = re.compile(r"<(\d{1,3})>")
_NEW = re.compile(
    r"1 (?P<timestamp>\S+) (?P<host>\S+) (?P<app>\S+) (?P<procid>\S+) (?P<msgid>\S+) (?P<rest>.*)",
    re.DOTALL,
)
_OLD = re.compile(
    r"(?P<timestamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+) "
    r"(?:(?P<app>[^\s\[:]+)(?:\[(?P<procid>[^\]]*)\])?: ?)?(?P<message>.*)",
    re.DOTALL,
)
_ELEMENT = re.compile(r'\[([^\s=\]"]+)((?: [^\s=\]"]+="(?:[^"\\\]]|\\.)*")*)\]')
_PARAMETER = re.compile(r' ([^\s=\]"]+)="((?:[^"\\\]]|\\.)*)"')
_ESCAPED = re.compile(r'\\(["\\\]])')


def read_syslog(text: str) -> Mapping[str, Any]:
    """The fields of one message; raises ParseError with code NO_MATCH."""
    found = _PRIORITY.match(text)
    if found is None or int(found.group(1)) > 191:
        raise ParseError("NO_MATCH", "the line does not begin with a syslog priority, <0> to <191>")
    priority = int(found.group(1))
    fields: dict[str, Any] = {
        "priority": priority,
        "facility": _FACILITIES[priority // 8],
        "severity": _SEVERITIES[priority % 8],
        "msgid": None,
        "data": {},
    }
    rest = text[found.end() :]
    new = _NEW.fullmatch(rest)
    if new is not None:
        named = new.groupdict()
        data, message = _structured(named.pop("rest"))
        named = {name: None if value == "-" else value for name, value in named.items()}
        return {**fields, **named, "data": data, "message": message}
    old = _OLD.fullmatch(rest)
    if old is None:
        raise ParseError("NO_MATCH", "the line is syslog of neither RFC 5424 nor RFC 3164")
    return {**fields, **old.groupdict()}


def _structured(rest: str) -> tuple[dict[str, dict[str, str]], str]:
    """Structured data, and the message behind it, without its byte-order mark."""
    data: dict[str, dict[str, str]] = {}
    at = 1 if rest.startswith("-") else 0
    while (element := _ELEMENT.match(rest, at)) and not rest.startswith("-"):
        data[element.group(1)] = {
            name: _ESCAPED.sub(r"\1", value) for name, value in _PARAMETER.findall(element.group(2))
        }
        at = element.end()
    if at == 0 or rest[at : at + 1] not in ("", " "):
        raise ParseError("NO_MATCH", "the structured data of the syslog message is broken")
    return data, rest[at + 1 :].removeprefix("\ufeff")
