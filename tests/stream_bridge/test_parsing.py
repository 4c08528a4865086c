"""Lines to events."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream_bridge.config.format import FormatConfig, LimitsConfig
from stream_bridge.parsing.header import compile_header
from stream_bridge.parsing.parser import Parser
from stream_bridge.records import DeadLetter, Event, RawLine, Skipped
from stream_bridge.timestamps import now, time_reader, to_iso

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


@given(st.text("a -\t", max_size=12))
def test_a_header_takes_each_field_as_short_as_it_can(line):
    shortest = re.fullmatch(r"(?P<A>.*?)\s+(?P<B>.*?)\s+-\s+(?P<C>.*)", line, re.DOTALL)
    found = compile_header("<A> <B> - <C>").fullmatch(line)
    assert (found and found.groupdict()) == (shortest and shortest.groupdict())


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
        ({"kind": "csv", "text": "{a}"}, "'csv' and the key 'columns' go together"),
        ({"kind": "csv", "columns": ["a"], "text": "{b}"}, "no column 'b'; there are a"),
        ({"kind": "own", "text": "{b}"}, "'own' and the key 'parser' go together"),
        ({"text": "{a} {"}, "braces"),
        ({"time": {"field": "a", "zone": "Mars"}}, "no time zone"),
    ],
)
def test_a_wrong_format_is_refused(form, message):
    with pytest.raises(ValidationError, match=message):
        FormatConfig(**form)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
            b"\xef\xbb\xbf'su root' failed for lonvick on /dev/pts/8",
            ("auth", "crit", "mymachine.example.com", "su", None, "ID47",
             "'su root' failed for lonvick on /dev/pts/8", "2003-10-11T22:14:15.003000Z"),
        ),
        (
            b'<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 evntslog 8710 ID47 '
            b'[exampleSDID@32473 iut="3" eventSource="Appli\\"c\\]ation"][x@1 class="high"] hello',
            ("local4", "notice", "192.0.2.1", "evntslog", "8710", "ID47",
             "hello", "2003-08-24T12:14:15.000003Z"),
        ),
        (
            b"<13>1 2020-01-01T00:00:00Z - - - - -",
            ("user", "notice", None, None, None, None, "", "2020-01-01T00:00:00.000000Z"),
        ),
    ],
)  # fmt: skip
def test_syslog_of_rfc_5424(line, fields):
    names = ("facility", "severity", "host", "app", "procid", "msgid")
    found = parse(
        line, kind="syslog", attributes=names, time={"field": "timestamp", "format": "syslog"}
    )
    assert (*(found.attributes[name] for name in names), found.text, to_iso(found.time)) == fields


def test_structured_data_is_reached_by_dotted_paths():
    line = b'<165>1 - h a - - [x@1 class="a \\"b\\] c"][y n="1"] hello'
    found = parse(line, kind="syslog", text="{data.x@1.class}|{data.y.n}|{message}")
    assert found.text == 'a "b] c|1|hello'


def test_syslog_of_rfc_3164():
    line = b"<34>Oct 11 22:14:15 mymachine sshd[812]: Failed password for root"
    found = parse(
        line, kind="syslog", key="host", attributes=["app", "procid", "severity"],
        time={"field": "timestamp", "format": "syslog", "zone": "America/New_York"},
    )  # fmt: skip
    assert found.text == "Failed password for root"
    assert found.key == "mymachine"
    assert found.attributes == {"app": "sshd", "procid": "812", "severity": "crit"}
    assert to_iso(found.time)[4:] == "-10-12T02:14:15.000000Z"
    untagged = parse(b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", kind="syslog")
    assert untagged.text == "Use the BFG!"


@pytest.mark.parametrize(
    "line", [b"no priority", b"<192>1 - h a - - - x", b"<1>x", b'<1>1 - h a - - [x y="z] m']
)
def test_broken_syslog_says_so(line):
    assert parse(line, kind="syslog").code == "NO_MATCH"


def test_csv_lines_become_text_by_a_template():
    form = {
        "kind": "csv",
        "columns": ["at", "sensor", "celsius"],
        "text": "sensor {sensor} reads {celsius} degrees",
        "key": "sensor",
        "time": {"field": "at", "format": "unix"},
    }
    found = parse(b'1700000000,"boiler, left",81.5', **form)
    assert found.text == "sensor boiler, left reads 81.5 degrees"
    assert found.key == "boiler, left"
    assert isinstance(parse(b"at,sensor,celsius", **form), Skipped)
    assert parse(b"1,2", **form).code == "NO_MATCH"
    assert parse(b'1,"2,3', **form).code == "NO_MATCH"


def test_what_the_broker_carried_beside_a_line_can_be_named():
    raw = RawLine(b"81.5", "mqtt:b", "in:7", 1.0, 123, False, "k", {"site.id": "7", "at": "1700"})
    form = {
        "text": "{broker.attributes.site.id} {broker.key} of {broker.source} reads {line}",
        "id": "broker.key",
        "key": "broker.attributes.site.id",
        "time": {"field": "broker.attributes.at", "format": "unix"},
    }
    found = Parser(FormatConfig(**form), LimitsConfig())(raw)
    assert (found.text, found.id, found.key) == ("7 k of mqtt:b reads 81.5", "k", "7")
    assert found.time == 1_700_000_000
    without = Parser(FormatConfig(**form), LimitsConfig())(raw._replace(key=None))
    assert (without.code, "broker.key" in without.message) == ("MISSING_FIELD", True)
    assert FormatConfig(kind="csv", columns=["a"], text="{broker.key} {a}")


def test_a_parser_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "my_events.py").write_text(
        "def parse(text):\n"
        "    return None if text[0] == '#' else dict(p.split('=') for p in text.split())\n"
        "def lists(text):\n    return [text]\n"
    )
    monkeypatch.chdir(tmp_path)
    form = {"kind": "own", "parser": "my_events:parse", "text": "{a}!"}
    assert parse(b"a=1 b=2", **form).text == "1!"
    assert isinstance(parse(b"# comment", **form), Skipped)
    letter = parse(b"a=1=2", **form)
    assert letter.code == "NOT_PARSED"
    assert letter.message.startswith("my_events:parse: ValueError: ")
    assert parse(b"x", kind="own", parser="my_events:lists", text="{a}").code == "NOT_PARSED"
    for name, message in [
        ("my_events", "write MODULE:FUNCTION"),
        ("my_events:nope", "my_events has no nope"),
        ("not_there:x", "not_there cannot be imported"),
    ]:
        with pytest.raises(ValidationError, match=message):
            FormatConfig(kind="own", parser=name, text="{a}")


def test_late_events_and_those_of_the_future_are_dead_letters():
    limits = LimitsConfig(max_age_seconds=60, max_ahead_seconds=5)
    parser = Parser(FormatConfig(kind="json", text="{m}", time={"field": "t"}), limits)

    def outcome(seconds):
        arrived = now()
        line = f'{{"m": "x", "t": "{to_iso(arrived + round(seconds * 1e6))}"}}'
        return parser(RawLine(line.encode(), "in", "in:0", 0.0, arrived))

    assert isinstance(outcome(-59), Event)
    assert outcome(-61).code == "LATE"
    assert isinstance(outcome(4), Event)
    assert outcome(6).code == "FUTURE"
