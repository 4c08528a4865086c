"""The endpoint for Prometheus and health checks."""

import io
import json
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from rich.console import Console

from stream_bridge.errors import ConfigError
from stream_bridge.live_table import render


def wait_for(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def get(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_metrics_and_health(bridge, tmp_path, server):
    log = tmp_path / "app.log"
    log.write_text("good\nbad\npoison\n\n")
    it = bridge(
        source={"address": f"tail:{log}"},
        monitoring={"address": "127.0.0.1:0"},
        shadow={"model": "m"},
    ).start()
    address = wait_for(lambda: it.status().get("monitoring"))
    wait_for(lambda: it.status()["out"] == 2)
    assert get(address, "/healthz") == (200, "running\n")
    code, text = get(address, "/metrics")
    assert code == 200
    values = dict(re.findall(r"^livebert_bridge_(\S+) (\S+)$", text, re.MULTILINE))
    assert values['lines_total{outcome="predicted"}'] == "2"
    assert values['lines_total{outcome="dead"}'] == "1"
    assert values['lines_total{outcome="skipped"}'] == "1"
    assert values['predictions_total{version="1"}'] == "2"
    assert values['dead_letters_total{code="INVALID_ARGUMENT"}'] == "1"
    assert values["alerts_total"] == "1"
    assert values['latency_seconds_bucket{le="+Inf"}'] == "2"
    assert values["latency_seconds_count"] == "2"
    assert values["standing_still"] == "0"
    assert float(values['stage_seconds{stage="score",quantile="0.5"}']) > 0
    assert "backlog_events" not in values  # a file knows bytes
    documented = Path(__file__).resolve().parents[2] / "docs" / "events.md"
    names = set(re.findall(r"`(livebert_bridge_\w+)", documented.read_text("utf-8")))
    assert set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)) == names
    shown = Console(width=250, record=True, file=io.StringIO())
    shown.print(render(it.status()))
    words = [re.findall(r"[\w/%]+", line) for line in shown.export_text().splitlines()]
    assert words[0][-1] == "running"
    assert words[2] == ["in", "out", "alerts", "dead", "review", "waiting", "lag"]
    assert words[4][:6] == ["4", "2", "1", "1", "0", "0"]
    assert words[7] == ["events/s", "cached", "p50/p99", "ms", "score", "write", "version"]
    server.stop()
    with log.open("a") as file:
        file.write("more\n")
    code, text = wait_for(lambda: (found := get(address, "/healthz"))[0] == 503 and found)
    assert text.startswith("waiting UNAVAILABLE")
    assert get(address, "/")[0] == 404
    server.start()
    with pytest.raises(ConfigError, match=r"monitoring\.address"):
        bridge(
            source={"address": f"tail:{log}"},
            monitoring={"address": address},
            state_dir=str(tmp_path / "other"),
            sinks={
                "predictions": {"address": f"jsonl:{tmp_path}/p2", "take": "predictions"},
                "dead": {"address": f"jsonl:{tmp_path}/d2", "take": "dead_letters"},
            },
        ).run()
    assert it.finish() == 0


def test_logs_as_json_for_machines(bridge, server, tmp_path):
    (tmp_path / "in.log").write_text("good\n")
    server.stop()
    it = bridge(source={"address": f"tail:{tmp_path}/in.log"}, monitoring={"logs": "json"}).spawn()
    wait_for(lambda: it.status().get("state") == "waiting")
    _, _, err = it.kill(signal.SIGTERM)
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[0]["level"] == "WARNING"
    assert lines[0]["logger"].startswith("stream_bridge.")
    assert "does not answer" in lines[0]["message"] or "waiting" in lines[0]["message"]
    assert re.fullmatch(r"\d{4}-.*Z", lines[0]["time"])
    kept = (tmp_path / "state" / "bridge.log").read_text().splitlines()
    assert json.loads(kept[0])["message"] == lines[0]["message"]
