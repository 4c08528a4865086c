"""Events that nobody would have picked for a test, and a run that is killed half-way."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
name: m
task: classification
data: {{root: {folder}/data}}
pipeline_root: {folder}/pipelines
encoder: {{preset: {preset}, max_length: 32}}
training: {{epochs: 6, patience: 0, learning_rate: 1.0e-3, batch_tokens: 256, precision: float32}}
evaluation: {{bounds: [{{metric: accuracy, at_least: 0.1}}]}}
serving: {{base_path: {folder}/models, gate: {{samples: 100, seconds: 0.1, batch_sizes: [1]}}}}
"""


def rows(first: int, last: int) -> list[bytes]:
    words = ("network", "disk")
    return [
        json.dumps({"text": f"{words[n % 2]} event {n}", "label": words[n % 2]}).encode()
        for n in range(first, last)
    ]


@pytest.fixture
def odd(tmp_path, tiny_bert) -> Path:
    """Import texts of 100 kB and of no text, a label that appears once, and one never learned."""
    config = tmp_path / "m.yaml"
    config.write_text(CONFIG.format(folder=tmp_path, preset=tiny_bert), encoding="utf-8")
    long = [json.dumps({"text": f"{n} " + "disk full " * 10_000, "label": "disk"}) for n in (1, 2)]
    train = [*rows(0, 200), long[0].encode(), b'{"text": "by itself", "label": "lonely"}']
    test = [
        *rows(300, 340),
        long[1].encode(),
        b'{"text": "no \xff\xfe text \\u0000 \\ud800 \\u202e", "label": "disk"}',
        b'{"text": "never learned", "label": "unseen"}',
    ]
    command = ["import"]
    for name, lines in (("train", train), ("test", test)):
        file = tmp_path / f"{name}.jsonl"
        file.write_bytes(b"\n".join(lines) + b"\n")
        command += ["--data", f"{name}={file}"]
    said = pipeline(config, *command).stdout
    assert "longest 100002" in said
    assert "labels with one training event: lonely" in said
    assert "labels that training never sees: unseen" in said
    return config


def line_of(config: Path, *command: str) -> list[str]:
    return [sys.executable, "-m", "tfx_pipeline", *command, "--config", str(config)]


def pipeline(config: Path, *command: str, code: int = 0) -> subprocess.CompletedProcess:
    line = line_of(config, *command)
    done = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_killed_run_goes_on_where_it_was_and_odd_events_are_answered(odd):
    with subprocess.Popen(line_of(odd, "run"), stdout=subprocess.PIPE, text=True) as first:
        for line in first.stdout:
            if "epoch 2/6 done" in line:
                break
        # It holds its lock, and trains no further meanwhile.
        first.send_signal(signal.SIGSTOP)
        again = pipeline(odd, "run", code=1)
        assert "another run is in progress here" in again.stderr
        first.kill()
    assert first.returncode == -9
    stopped = pipeline(odd, "runs").stdout.splitlines()[1]
    assert "stopped at Trainer" in stopped

    said = pipeline(odd, "run").stdout
    epochs = [int(number) for number in re.findall(r"epoch (\d)/6 done", said)]
    assert 1 not in epochs, "the first epochs are not trained again"
    assert epochs[-1] == 6
    assert "blessed and pushed" in said
    newest = pipeline(odd, "runs").stdout.splitlines()[1].split()[0]
    made = pipeline(odd, "runs", "--run", newest).stdout
    taken = {line.split()[0] for line in made.splitlines() if stopped.split()[0] in line}
    assert {"ImportExampleGen", "StatisticsGen", "Transform"} <= taken, "the cache was used"
    assert "Trainer" not in taken


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_anomaly_model_without_an_anomaly_to_judge_by_ends_in_a_line(tiny_bert, tmp_path):
    config = tmp_path / "m.yaml"
    text = CONFIG.format(folder=tmp_path, preset=tiny_bert).replace("classification", "anomaly")
    text = text.replace("/data}", "/data, event_time: {field: time, format: unix}}")
    config.write_text(re.sub(r"evaluation:.*\n", "", text), encoding="utf-8")
    data = tmp_path / "rows.jsonl"
    events = [
        {"text": f"panic {n}" if n < 200 and n % 9 == 0 else f"fine {n}", "time": n}
        for n in range(300)
    ]
    data.write_text(
        "".join(
            json.dumps({**e, "label": "bad" if "panic" in e["text"] else "normal"}) + "\n"
            for e in events
        ),
        encoding="utf-8",
    )
    said = pipeline(config, "import", "--data", str(data)).stdout
    assert "eval       30 events: normal 30" in said
    done = pipeline(config, "run", "--set", "training.epochs=1", code=3)
    assert "not blessed: " in done.stdout
    assert "average_precision cannot be measured on this test split" in done.stdout
    assert Path(pipeline(config, "review").stdout.strip()).is_file()
