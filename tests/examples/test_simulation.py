"""What the simulated fleet is like: its shares, its incidents, its switch, its sameness."""

import random
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from examples.event_simulator.fleet import SERVICES
from examples.event_simulator.incidents import KNOWN, NEW
from examples.event_simulator.load import hour_of_day, moments
from examples.event_simulator.simulation import Plan, simulate
from examples.event_simulator.templates import Scope, Template
from examples.event_simulator.times import duration, moment, moment_or_duration

START = moment("2026-01-05T00:00:00Z")
PLAN = Plan(seed=5, start=START, rate=12_000 / (3 * 86_400), daily=True)


@pytest.fixture(scope="module")
def events():
    return list(islice(simulate(PLAN), 12_000))


def test_the_same_plan_gives_the_same_events(events):
    assert list(islice(simulate(PLAN), 500)) == events[:500]
    other = list(islice(simulate(replace(PLAN, seed=6)), 500))
    assert [e.message for e in other] != [e.message for e in events[:500]]
    assert not {e.id for e in other} & {e.id for e in events}


def test_events_are_ordered_and_ids_unique(events):
    assert len({e.id for e in events}) == len(events)
    assert [e.time for e in events] == sorted(e.time for e in events)
    assert events[0].time >= START


@pytest.mark.parametrize("seed", range(6))
def test_five_to_eight_percent_are_abnormal_and_every_kind_occurs(seed):
    drawn = list(islice(simulate(replace(PLAN, seed=seed)), 12_000))
    kinds = Counter(e.incident for e in drawn if e.incident)
    assert 0.05 <= kinds.total() / len(drawn) <= 0.08
    assert set(kinds) == {kind.name for kind in KNOWN}


def test_severity_does_not_give_an_incident_away(events):
    normal = Counter(e.severity for e in events if not e.incident)
    abnormal = Counter(e.severity for e in events if e.incident)
    assert abnormal["INFO"] / abnormal.total() > 0.25
    assert normal["ERROR"] > abnormal["ERROR"]
    assert normal["WARN"] > abnormal["WARN"]


def test_all_services_speak_with_many_templates(events):
    assert set(Counter(e.service for e in events)) == {s.name for s in SERVICES}
    assert all(len(s.lines) >= 7 for s in SERVICES)
    assert sum(len(s.lines) for s in SERVICES) > 90
    assert not any("{" in e.message for e in events)


def test_incidents_speak_only_for_services_that_exist():
    names = {s.name for s in SERVICES}
    for kind in KNOWN + NEW:
        assert len(kind.lines) >= 6
        assert {line.service for line in kind.lines} <= names


def test_new_kinds_come_only_after_the_switch_and_soon(events):
    switch = START + 86_400
    drawn = list(islice(simulate(replace(PLAN, new_incidents_after=switch)), 12_000))
    before = [e for e in drawn if e.time < switch]
    assert before == events[: len(before)], "until the switch nothing is different"
    new = {kind.name for kind in NEW}
    assert not any(e.incident in new for e in before)
    after = [e for e in drawn if e.time >= switch]
    assert any(e.incident in new for e in after[:100])
    assert {e.incident for e in after} >= new | {kind.name for kind in KNOWN}


def test_load_follows_the_day_and_keeps_its_mean():
    rng = random.Random(1)
    daily = list(islice(moments(rng, 0.1, start=START, daily=True), 26_000))
    assert len([t for t in daily if t < 3 * 86_400]) == pytest.approx(25_920, rel=0.05)
    hours = Counter(int(hour_of_day(START + t)) for t in daily)
    assert hours[15] > 2 * hours[3]


def test_load_has_bursts():
    times = list(islice(moments(random.Random(2), 10, start=START, daily=False), 20_000))
    assert times[-1] == pytest.approx(2000, rel=0.06)
    per_second = Counter(int(t) for t in times)
    assert max(per_second.values()) > 25


def test_templates_fill_their_placeholders():
    rng, scope = random.Random(3), Scope(progress=1.0)
    text = Template("{user} {n:2-4} {one:a|b} {rise:80-99}").fill(rng, scope)
    user, number, letter, rise = text.split()
    assert "." in user
    assert int(number) in (2, 3, 4)
    assert letter in "ab"
    assert 90 <= int(rise) <= 99
    sticky = Template("{@hash}")
    assert sticky.fill(rng, scope) == sticky.fill(rng, scope)
    with pytest.raises(ValueError, match="no value is called 'nobody'"):
        Template("{nobody}")


def test_times_are_read_as_people_write_them():
    assert [duration(t) for t in ("90", "90s", "15m", "6h", "2d")] == [90, 90, 900, 21600, 172800]
    assert moment("2026-01-05T10:00:00Z") == moment("2026-01-05T11:00:00+01:00") == 1767607200
    assert moment_or_duration("2h", 100.0) == 7300.0
    with pytest.raises(ValueError, match="tomorrow"):
        moment_or_duration("tomorrow", 0.0)
