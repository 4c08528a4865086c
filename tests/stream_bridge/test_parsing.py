"""Lines to events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream_bridge.config.format import FormatConfig, LimitsConfig
from stream_bridge.parsing.parser import Parser
from stream_bridge.records import DeadLetter, Event, RawLine, Skipped
from stream_bridge.timestamps import time_reader, to_iso

BGL = "<Label> <Timestamp> <Date> <Node> <Time> <NodeRepeat> <Type> <Component> <Level> <Content>"


def parse(data, **form):
    raw = RawLine(data, "in", "in:7", 1.0, 123)
    return Parser(FormatConfig(**form), LimitsConfig())(raw)


def test_a_plain_line():
    found = parse(b"hello  world")
    assert (found.id, found.time, found.text, found.key) == ("in:7", 123, "hello  world", None)


def test_a_blank_line_is_no_event():
    assert isinstance(parse(b"  \t"), Skipped)


def test_a_loghub_line():
    line = (
        b"- 1117838570 2005.06.03 R02-M1-N0-C:J12-U11 2005-06-03-15.42.50.675872 "
        b"R02-M1-N0-C:J12-U11 RAS KERNEL INFO instruction cache  parity error corrected"
    )
    found = parse(
        line,
        kind="header",
        header=BGL,
        text="{Component} {Level} {Content}",
        time={"field": "Time", "format": "%Y-%m-%d-%H.%M.%S.%f"},
        key="Node",
        attributes=["Label"],
    )
    assert found.text == "KERNEL INFO instruction cache  parity error corrected"
    assert to_iso(found.time) == "2005-06-03T15:42:50.675872Z"
    assert found.key == "R02-M1-N0-C:J12-U11"
    assert found.attributes == {"Label": "-"}


def test_every_line_of_the_real_log(data):
    lines = (data / "loghub" / "BGL_2k.log").read_bytes().splitlines()
    form = {"kind": "header", "header": BGL, "time": {"field": "Timestamp", "format": "unix"}}
    parser = Parser(FormatConfig(**form), LimitsConfig())
    events = [parser(RawLine(line, "in", f"in:{i}", 0.0, 0)) for i, line in enumerate(lines)]
    assert all(isinstance(event, Event) for event in events)
    assert len(events) == 2000


def test_json_fields_are_reached_by_dotted_paths():
    line = b'{"a": {"b": [1, {"c": "deep"}]}, "x.y": true, "n": null, "id": 7}'
    found = parse(line, kind="json", text="{a.b.1.c} {x.y}|{n}|{a.b.0}", id="id")
    assert found.text == "deep true||1"
    assert found.id == "7"


@pytest.mark.parametrize(
    ("data", "form", "code"),
    [
        (b"\xff", {}, "UNDECODABLE"),
        (b"{", {"kind": "json", "text": "{a}"}, "NOT_JSON"),
        (b"{}", {"kind": "json", "text": "{a}"}, "MISSING_FIELD"),
        (b'{"a": "x", "id": ""}', {"kind": "json", "text": "{a}", "id": "id"}, "MISSING_FIELD"),
        (b"one", {"kind": "header", "header": "<A> <B>"}, "NO_MATCH"),
    ],
)
def test_a_bad_line_says_why(data, form, code):
    found = parse(data, **form)
    assert isinstance(found, DeadLetter)
    assert (found.stage, found.code, found.raw.data) == ("parse", code, data)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_a_dead_letter_or_blank(data):
    for form in ({}, {"kind": "json", "text": "{a}"}, {"kind": "header", "header": "<A>: <B>"}):
        found = parse(data, **form)
        assert isinstance(found, Event | DeadLetter | Skipped)
        if not isinstance(found, Skipped):
            assert b"\n" not in (
                found.to_json() if isinstance(found, DeadLetter) else found.text.encode()
            ) or isinstance(found, Event)


@pytest.mark.parametrize(
    ("value", "form", "zone", "iso"),
    [
        ("2026-01-05T10:00:00.123456Z", "iso", "UTC", "2026-01-05T10:00:00.123456Z"),
        ("2026-01-05T10:00:00.1234567+01:00", "iso", "UTC", "2026-01-05T09:00:00.123456Z"),
        ("2026-07-05 10:00", "iso", "Europe/Berlin", "2026-07-05T08:00:00.000000Z"),
        (1117838570, "unix", "UTC", "2005-06-03T22:42:50.000000Z"),
        ("1117838570.5", "unix", "UTC", "2005-06-03T22:42:50.500000Z"),
        (1767607200123, "unix_ms", "UTC", "2026-01-05T10:00:00.123000Z"),
        (-1, "unix_us", "UTC", "1969-12-31T23:59:59.999999Z"),
        (
            "05/Jan/2026:10:00:00 -0500",
            "%d/%b/%Y:%H:%M:%S %z",
            "UTC",
            "2026-01-05T15:00:00.000000Z",
        ),
    ],
)
def test_times(value, form, zone, iso):
    assert to_iso(time_reader(form, zone)(value)) == iso


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"kind": "json"}, "needs the key 'text'"),
        ({"kind": "header"}, "needs the key 'header'"),
        ({"kind": "header", "header": "<A><B>"}, "two fields touch"),
        ({"text": "no field"}, "names no field"),
        ({"text": "{a} {"}, "braces"),
        ({"time": {"field": "a", "zone": "Mars"}}, "no time zone"),
    ],
)
def test_a_wrong_format_is_refused(form, message):
    with pytest.raises(ValidationError, match=message):
        FormatConfig(**form)
