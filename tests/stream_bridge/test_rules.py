"""Rules, alert thresholds and budgets, suppression, review and the second model."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream_bridge.config.rules import RuleConfig
from stream_bridge.config.scoring import AlertConfig, ReviewConfig
from stream_bridge.expressions import EVENT, Expression
from stream_bridge.records import Event, RawLine
from stream_bridge.rules import Failures, Rules
from stream_bridge.scoring.alerts import AlertRule
from stream_bridge.scoring.answers import Answered
from stream_bridge.scoring.judge import Judge
from stream_bridge.shadow import share_of

SECOND = 1_000_000


def event(text, key=None, seconds=0.0, **attributes):
    raw = RawLine(text.encode(), "in", text, 0.0, 0)
    return Event(f"{text}@{seconds}", round(seconds * SECOND), text, key, "in", attributes, raw)


def judge(*rules, alert=None, uncertain=None, card=lambda model, version: None, failures=None):
    alert = AlertConfig(**(alert or {}))
    made = Rules([RuleConfig(**rule) for rule in rules], "score", failures or Failures())
    return Judge(AlertRule(alert, card), alert, ReviewConfig(uncertain=uncertain), made)


def answer(it, score=0.5, label="normal", version=1):
    return Answered(it, "m", version, {"label": label, "score": score}, 0.0)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ('text.startsWith("GET") && !key.startsWith("web")', True),
        ("attributes.level in ['WARN', 'ERROR']", True),
        ('has(attributes.missing) && attributes.missing == "x"', False),
        ("attributes.ms > 100", True),
        ('attributes.tags.exists(tag, tag == "b")', True),
        ('time < timestamp("2001-01-01T00:00:00Z") && age > 86400.0', True),
        ('text.matches("^GET /[a-z]+$") && size(id) > 3', True),
    ],
)
def test_what_an_expression_can_see(when, holds):
    it = event("GET /index", "db-1", level="ERROR", ms=120.5, tags=["a", "b"])
    assert Expression(when, EVENT)(it) is holds


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("text ==", "no CEL expression: at character 8"),
        ("score > 0.5", "names 'score', which is not there; there are id, text, key"),
        ("text.upper() == 'A'", "calls 'upper', which is no function of CEL"),
    ],
)
def test_a_wrong_expression_is_refused_before_it_runs(when, message):
    with pytest.raises(ValueError, match=message):
        Expression(when, EVENT)


def test_overrides_and_reviews_see_what_rules_before_them_did():
    it = judge(
        {
            "name": "known",
            "when": 'label == "anomaly" && text.contains("drill")',
            "do": "override",
            "set": {"alert": False, "label": "drill"},
        },
        {"name": "quiet", "when": '!alert && label == "drill"', "do": "review"},
    )
    found = it(answer(event("a drill"), 0.9, "anomaly"))
    assert (found.alert, found.outputs["label"]) == (False, "drill")
    assert found.rules == ("known", "quiet")
    assert found.review == ("rule:quiet",)
    other = it(answer(event("real"), 0.9, "anomaly"))
    assert (other.alert, other.rules, other.review) == (True, (), ())


def test_a_rule_that_fails_costs_no_event_and_is_counted():
    failures = Failures()
    it = judge({"name": "r", "when": "attributes.n > 3", "do": "review"}, failures=failures)
    assert it(answer(event("a"))).review == ()
    assert it(answer(event("a", n="three"))).review == ()
    assert it(answer(event("a", n=4))).review == ("rule:r",)
    assert failures.counts() == {"rule r": 2}


def test_the_threshold_of_each_versions_card():
    thresholds = {1: 0.5, 2: 0.8}
    it = judge(alert={"threshold": "card"}, card=lambda model, version: thresholds.get(version))
    assert it(answer(event("a"), 0.6, version=1)).alert
    assert not it(answer(event("a"), 0.6, version=2)).alert
    # A version without a card: its label decides.
    assert it(answer(event("a"), 0.1, "anomaly", version=3)).alert


@given(st.lists(st.floats(0, 1), min_size=400, max_size=400), st.sampled_from([0.01, 0.05, 0.2]))
def test_a_budget_is_kept(scores, share):
    rule = AlertRule(AlertConfig(threshold=0.0, budget_share=share, budget_events=200))
    alerts = [rule("m", 1, {"score": score}) for score in scores]
    # Equal scores never all pass, and of any order no more than what a sorted stream gives.
    assert all(alerts[: max(100, round(1 / share)) - 1])
    constant = AlertRule(AlertConfig(threshold=0.0, budget_share=share, budget_events=200))
    assert not any(
        [constant("m", 1, {"score": 0.5}) for _ in range(400)][max(101, round(1 / share)) :]
    )


def test_a_budget_alerts_the_highest_scores():
    rule = AlertRule(AlertConfig(threshold=0.0, budget_share=0.1, budget_events=500))
    scores = [(i * 37 % 101) / 101 for i in range(2000)]
    alerts = [score for score in scores[500:] if rule("m", 1, {"score": score})]
    later = [score for score in scores[1000:] if rule("m", 1, {"score": score})]
    assert min(later) > 0.85
    assert 0.05 < len(later) / 1000 < 0.12
    assert alerts


def test_repeated_alerts_of_a_key_are_suppressed_by_event_time():
    it = judge(alert={"suppress_seconds": 60})
    seen = [
        ("a", 0, False), ("a", 30, True), ("b", 31, False), ("a", 59, True), ("a", 60, False),
        (None, 61, False), (None, 62, False),
    ]  # fmt: skip
    for key, seconds, repeated in seen:
        found = it(answer(event("x", key, seconds), 0.9, "anomaly"))
        assert (found.alert, found.suppressed) == (True, repeated), (key, seconds)
    # The event that was told comes again after a failure: it must be told again.
    again = it(answer(event("x", "a", 60), 0.9, "anomaly"))
    assert not again.suppressed


def test_uncertain_scores_are_for_review():
    it = judge(uncertain=(0.4, 0.6))
    marks = [it(answer(event("a"), score)).review for score in (0.39, 0.4, 0.6, 0.61)]
    assert marks == [(), ("uncertain",), ("uncertain",), ()]


@given(st.text(min_size=1))
def test_a_share_is_stable(key):
    assert 0 <= share_of(key) < 1
    assert share_of(key) == share_of(key)
    assert share_of("web-1") == pytest.approx(0.4806, abs=1) and share_of("a") != share_of("b")


def test_rules_in_a_whole_bridge(bridge, tmp_path):
    lines = [{"t": t, "k": "web"} for t in ("noise", "bad", "bad again", "fine", "odd")]
    (tmp_path / "in").write_text("".join(json.dumps(line) + "\n" for line in lines))
    it = bridge(
        source={"address": f"file:{tmp_path}/in"},
        format={"kind": "json", "text": "{t}", "key": "k"},
        alert={"suppress_seconds": 3600},
        rules=[
            {"name": "noise", "when": 'text == "noise"', "do": "drop"},
            {"name": "odd", "when": 'text == "odd"', "do": "review"},
        ],
        sinks={
            "alerts": {"address": f"jsonl:{tmp_path}/alerts", "take": "alerts"},
            "review": {"address": f"jsonl:{tmp_path}/review", "take": "review"},
            "calm": {"address": f"jsonl:{tmp_path}/calm", "when": '!alert && key == "web"'},
        },
    )
    assert it.run() == 0
    assert it.said == [
        "read 5 = predicted 4 + dead 0 + rules-dropped 1; alerts 1 (1 repeated ones suppressed); "
        "to review 1; by version 1: 4"
    ]

    def texts(name):
        return [json.loads(line)["text"] for line in (tmp_path / name).read_text().splitlines()]

    assert texts("alerts") == ["bad"]
    assert texts("review") == ["odd"]
    assert texts("calm") == ["fine", "odd"]
    status = it.status()
    assert (status["suppressed"], status["review"], status["dropped"]) == (1, 1, {"noise": 1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rules": [{"name": "x", "when": "nope", "do": "review"}]}, "rule 'x': 'nope' names"),
        ({"rules": [{"name": "x", "when": "score > 1.0", "do": "drop"}]}, "rule 'x': .* 'score'"),
        ({"rules": [{"name": "x", "when": "alert", "do": "override"}]}, "needs the key 'set'"),
        ({"sinks": {"s": {"address": "jsonl:x", "when": "code == 1"}}}, "sink 's': .* 'code'"),
        ({"shadow": {}}, "say what is other"),
        ({"review": {"uncertain": [0.6, 0.4]}}, "the lower score first"),
    ],
)
def test_a_wrong_config_names_the_rule(bridge, changes, message):
    with pytest.raises(ValidationError, match=message):
        _ = bridge(source={"address": "stdin:"}, **changes).config
