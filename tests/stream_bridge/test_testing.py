"""The kit for users' own tests, on a config of theirs."""

import re
from pathlib import Path

from serving_client.errors import InvalidArgumentError
from stream_bridge.testing import BridgeTest, Clock

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "bridge-events.yaml"
DOC = Path(__file__).resolve().parents[2] / "docs" / "bridge.md"


def model(inputs):
    if b"db ERROR poison" in list(inputs["text"]):
        raise InvalidArgumentError("poison")
    bad = [b"disk" in text for text in inputs["text"]]
    return {
        "label": [b"anomaly" if each else b"normal" for each in bad],
        "score": [0.9 if each else 0.1 for each in bad],
    }


def event(number, message, **changes):
    return {
        "event_id": f"e{number}", "event_time": "2026-01-01T00:00:00Z", "service": "db",
        "severity": "ERROR", "message": message, "host": "db-1", **changes,
    }  # fmt: skip


def test_a_config_of_ones_own_runs_in_memory():
    with BridgeTest(CONFIG, model) as bridge:
        bridge.send(event(1, "disk full"), event(2, "fine"), event(3, "poison"), "not json")
        first = bridge.run()
        bridge.send(event(4, "disk full again"))
        second = bridge.run()
    assert first.exit_code == 0
    assert first.account.startswith("read 4 = predicted 2 + dead 2; alerts 1")
    assert [each["event_id"] for each in first["predictions"]] == ["e1", "e2"]
    assert [each["event_id"] for each in first["alerts"]] == ["e1"]
    assert [each["code"] for each in first["dead_letters"]] == ["NOT_JSON", "INVALID_ARGUMENT"]
    assert [each["event_id"] for each in second["predictions"]] == ["e4"]


def test_the_clock_is_turned_by_hand():
    clock = Clock("2026-01-01T00:00:10Z")
    rule = 'rules=[{name: old, when: "age > 60.0", do: drop}]'
    with BridgeTest(
        CONFIG, model, clock=clock, overrides=[rule, "limits.max_age_seconds=3600"]
    ) as bridge:
        bridge.send(event(1, "fine"))
        assert bridge.run().account.startswith("read 1 = predicted 1")
        clock.turn(100)
        bridge.send(event(2, "fine"))
        assert "rules-dropped 1" in bridge.run().account
        clock.turn(3600)
        bridge.send(event(3, "fine"))
        assert [each["code"] for each in bridge.run()["dead_letters"]] == ["LATE"]


def test_what_a_broker_carries_reaches_text_rules_and_outputs():
    changes = [
        'format={text: "{broker.attributes.topic}: {line}"}',
        "rules=[{name: lab, when: \"attributes.topic == 'lab'\", do: drop}]",
    ]
    with BridgeTest(CONFIG, model, overrides=changes) as bridge:
        bridge.send("disk full", key="db-1", attributes={"topic": "site"})
        bridge.send("disk full", attributes={"topic": "lab"})
        bridge.send("no topic")
        run = bridge.run()
    assert run.account.startswith("read 3 = predicted 1 + dead 1 + rules-dropped 1")
    (alert,) = run["alerts"]
    assert (alert["text"], alert["key"]) == ("site: disk full", "db-1")
    assert alert["attributes"] == {"topic": "site"}


def test_thresholds_of_a_card_and_failures_of_the_server():
    card = {"thresholds": {"alert": 0.95}, "labels": ["normal", "anomaly"], "task": "anomaly"}
    with BridgeTest(CONFIG, model, card=card, overrides=["alert.threshold=card"]) as bridge:
        bridge.server.fail("UNAVAILABLE", times=2, method="Predict")
        bridge.send(event(1, "disk full"))
        run = bridge.run()
    assert [each["alert"] for each in run["predictions"]] == [False]


def test_the_example_of_the_page_runs(tmp_path, monkeypatch):
    section = DOC.read_text("utf-8").partition("## Testing your config")[2]
    config, test = re.findall(r"```(?:yaml|python)\n(.*?)```", section, re.DOTALL)[:2]
    (tmp_path / "bridge.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(test, "docs/bridge.md", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests
    for each in tests:
        each()
