"""A run on data of another shape stops and says what changed: on a line, and on the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2


def schema(**features: str) -> schema_pb2.Schema:
    text = "".join(f'feature {{ name: "{name}" {rest} }}\n' for name, rest in features.items())
    return text_format.Parse(text, schema_pb2.Schema())


def test_only_what_breaks_a_model_is_a_change():
    from tfx_pipeline.schema_check import schema_changes

    always = "presence { min_fraction: 1.0 }"
    before = schema(
        text=f"type: BYTES {always}",
        label=f"type: BYTES domain: 'labels' {always}",
        host=f"type: BYTES {always}",
        level=f"type: BYTES {always}",
    )
    now = schema(
        text=f"type: BYTES {always}",
        label=f"type: FLOAT {always}",
        host="type: BYTES presence { min_fraction: 0.5 }",
        colour=f"type: BYTES {always}",
    )
    assert schema_changes(before, before) == []
    assert schema_changes(before, now) == [
        "colour is new (bytes)",
        "host is missing in some events",
        "label was bytes and is float",
        "level is gone",
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_changed_schema_stops_the_run_and_the_page_says_what_changed(tiny_bert, tmp_path):
    def command(*arguments: str, **more: object) -> subprocess.CompletedProcess:
        flags = {"data.root": tmp_path / "d", "pipeline_root": tmp_path / "p", **more}
        flags |= {"encoder.preset": tiny_bert, "training.epochs": 1, "evaluation.bounds": "[]"}
        flags |= {"serving.base_path": tmp_path / "m", "serving.gate.seconds": 0.2}
        line = [sys.executable, "-m", "tfx_pipeline", *arguments]
        line += ["--config", str(tmp_path / "model.yaml")]
        for key, value in flags.items():
            line += ["--set", f"{key}={value}"]
        return subprocess.run(line, capture_output=True, text=True, timeout=400)

    (tmp_path / "model.yaml").write_text("name: m\ntask: classification\n", encoding="utf-8")
    rows = [
        {"text": f"{word} number {n}", "label": word, "colour": "red", "size": "big"}
        for n in range(40)
        for word in ("disk", "network")
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for expected, features in ((0, "[colour]"), (1, "[size]")):
        named = {"data.text": "'{text}'", "data.features": features}
        assert command("import", "--data", str(data), **named).returncode == 0
        done = command("run", **named)
        assert done.returncode == expected, done.stdout + done.stderr
    change = "the schema changed since the last run: colour is gone; size is new (bytes)"
    assert change in done.stderr
    assert "Traceback" not in done.stderr

    first = command("runs").stdout.splitlines()[1]
    assert "the schema changed: colour is gone; size is new (bytes)" in first
    page = Path(command("review").stdout.strip()).read_text(encoding="utf-8")
    assert "size is new (bytes)" in page
    done = command("run", **{"data.features": "[size]", "data.accept_schema_change": "true"})
    assert done.returncode == 0, done.stderr
