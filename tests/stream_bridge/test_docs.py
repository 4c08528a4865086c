"""docs/events.md against what the bridge really writes."""

import json
import re
from pathlib import Path

import pytest

from tests.stream_bridge.sink_values import window

DOC = Path(__file__).resolve().parents[2] / "docs" / "events.md"


@pytest.fixture(scope="module")
def schemas():
    blocks = re.findall(r"```json\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)
    return {schema["title"]: schema for schema in map(json.loads, blocks)}


KINDS = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


def check(value, schema):
    assert set(schema["required"]) == set(value)
    assert set(schema["properties"]) == set(value)
    for key, rule in schema["properties"].items():
        if "enum" in rule:
            assert value[key] in rule["enum"]
            continue
        kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        assert any(isinstance(value[key], KINDS[kind]) for kind in kinds), key
        if rule.get("format") == "date-time":
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", value[key])


def test_what_is_written_fits_the_schema(bridge, tmp_path, schemas):
    (tmp_path / "in").write_bytes(b'{"t": "fine", "k": "host"}\nnot json\n{"t": "poison"}\n')
    it = bridge(
        source={"address": f"file:{tmp_path}/in"},
        format={"kind": "json", "text": "{t}", "attributes": ["t"]},
    )
    assert it.run() == 0
    for prediction in it.predictions:
        check(prediction, schemas["Prediction"])
    assert [letter["stage"] for letter in it.dead] == ["parse", "score"]
    for letter in it.dead:
        check(letter, schemas["DeadLetter"])
    check(it.dead[1]["event"], schemas["Event"])
    check(json.loads(window("web", 3).to_json()), schemas["WindowSummary"])
    section = DOC.read_text("utf-8").partition("## Status file")[2].partition("\n## ")[0]
    table = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    documented = {key for cell in table for key in re.findall(r"`(\w+)`", cell)}
    documented |= {"model", "server", "source", "engine", "pid", "started", "updated"}
    assert documented == set(it.status())
