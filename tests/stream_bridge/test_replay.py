"""Dead letters scored again: selected, marked, with the same ids."""

import json
import subprocess
import sys

import pytest
import yaml

from stream_bridge.config.sinks import JsonLinesSink
from stream_bridge.errors import ConfigError, SinkError
from stream_bridge.replay import replay_config
from stream_bridge.run import run
from stream_bridge.sinks.json_lines import JsonLinesWriter


def replay(it, **selection):
    assert run(replay_config(it.config, **selection), from_start=True, say=it.said.append) == 0
    return it.said[-1]


def marks(tmp_path):
    path = tmp_path / "dead.jsonl.replayed"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_dead_letters_are_scored_again_once(bridge, tmp_path, server):
    (tmp_path / "in").write_text('{"t": "fine"}\n{"T": "other case"}\n{"t": "poison"}\nno json\n')
    source = {"address": f"file:{tmp_path}/in"}
    it = bridge(source=source, format={"kind": "json", "text": "{t}"})
    assert it.run() == 0
    assert [letter["code"] for letter in it.dead] == [
        "MISSING_FIELD", "NOT_JSON", "INVALID_ARGUMENT",
    ]  # fmt: skip

    # The model no longer refuses, and the format is corrected.
    server.add(
        "m",
        lambda inputs: {"label": [b"normal"] * len(inputs["text"])},
        version=2,
        outputs={"label": "string[?]"},
    )
    assert replay(it, codes=["INVALID_ARGUMENT"]).startswith("read 1 = predicted 1 + dead 0")
    fixed = bridge(source=source, format={"kind": "json", "text": "{T}"})
    assert replay(fixed, stages=["parse"]).startswith("read 2 = predicted 1 + dead 1")
    assert [(p["text"], p["version"]) for p in it.predictions] == [
        ("fine", 1),
        ("poison", 2),
        ("other case", 2),
    ]
    ids = [p["event_id"].rpartition(":")[2] for p in it.predictions]
    assert ids == ["0", "34", "14"]
    assert [mark["code"] for mark in marks(tmp_path)] == [
        "INVALID_ARGUMENT", "MISSING_FIELD", "NOT_JSON",
    ]  # fmt: skip
    # Only what failed again is left; and an event without a time keeps when it was first read.
    assert replay(it).startswith("read 1 = predicted 0 + dead 1")
    first, again = it.dead[1], it.dead[4]
    assert first["position"] == again["position"]
    assert first["first_time"] == again["first_time"]
    assert replay(it, until="2020-01-01").startswith("read 0 =")


def test_marks_go_with_a_file_that_rolls_and_say_nothing_of_the_next_one(bridge, tmp_path):
    source = {"address": f"tail:{tmp_path}/in"}
    sinks = {
        "dead": {"address": f"jsonl:{tmp_path}/dead.jsonl", "take": "dead_letters", "roll_bytes": 1}
    }
    it = bridge(source=source, sinks=sinks, stop_after=1)
    (tmp_path / "in").write_text("poison 1\npoison 2\n")
    assert it.run() == 0
    assert replay(it).startswith("read 1 = predicted 0 + dead 1")
    [first] = tmp_path.glob("dead-*.jsonl")
    # The letter that failed again stands at the same byte of a new file, and nobody saw it yet.
    assert replay(it).startswith("read 1 = predicted 0 + dead 1")
    # Half a mark, as a crash leaves it.
    with first.with_name(f"{first.name}.replayed").open("a") as file:
        file.write('{"letter": 12')
    assert replay(it, letters=str(first)).startswith("read 0 =")


def test_what_cannot_be_selected_is_said(bridge):
    config = bridge(source={"address": "file:x"}).config
    with pytest.raises(ConfigError, match="--stage: "):
        replay_config(config, stages=["never"])
    with pytest.raises(ConfigError, match="--since: "):
        replay_config(config, since="yesterday")


def test_a_sink_has_one_writer(tmp_path):
    sink = JsonLinesSink(address=f"jsonl:{tmp_path}/f")
    writer = JsonLinesWriter(sink)
    with pytest.raises(SinkError, match="another bridge"):
        JsonLinesWriter(sink)
    writer.close()
    JsonLinesWriter(sink).close()


def test_the_command(bridge, tmp_path):
    (tmp_path / "in").write_text("fine\npoison\n")
    it = bridge(source={"address": f"file:{tmp_path}/in"})
    assert it.run() == 0
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(it.values))
    command = [sys.executable, "-m", "stream_bridge", "replay", "--config", tmp_path / "c.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("read 1 = predicted 0 + dead 1")
