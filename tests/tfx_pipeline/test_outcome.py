"""What the real runs recorded, read again; and a model that is refused."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tfx_pipeline.errors import RunNotFoundError
from tfx_pipeline.lineage import Made, RecordedRun, find_run
from tfx_pipeline.outcome import read_outcome
from tfx_pipeline.show import lineage_table


def recorded(folder: Path, day: int, **outputs: Made) -> RecordedRun:
    """Return a run; `outputs` are by component, each with one output."""
    started = datetime(2026, 1, day, tzinfo=timezone.utc)
    made = {component: {component.lower(): found} for component, found in outputs.items()}
    made["Pusher"] = {
        "pushed_model": Made(
            folder / f"push-{day}",
            {"pushed_destination": f"models/m/{day}", "pushed_version": str(day)},
        )
    }
    made["Scorecard"] = {"scorecard": Made(folder / f"scorecard-{day}", {})}
    return RecordedRun(f"2026-01-0{day}T00:00:00", started, made, None)


def test_a_run_is_found_by_its_version_and_says_what_it_took_from_another(tmp_path):
    schema = Made(tmp_path / "schema", {})
    runs = [recorded(tmp_path, 2, SchemaGen=schema), recorded(tmp_path, 1, SchemaGen=schema)]
    assert find_run(runs, "1") is runs[1]
    assert find_run(runs, "2026-01-02") is runs[0]
    with pytest.raises(RunNotFoundError, match="no run 7"):
        find_run(runs, "7")
    lines = [line.split() for line in lineage_table(runs[0], runs).splitlines()]
    assert ["SchemaGen", "schemagen", "2026-01-01T00:00:00", str(schema.uri)] in lines
    assert ["Pusher", "pushed_model", "this", "run", str(tmp_path / "push-2")] in lines


def test_a_run_whose_files_are_gone_still_says_what_it_pushed(tmp_path):
    outcome = read_outcome(recorded(tmp_path, 1))
    assert outcome.verdict == "pushed as version 1"
    assert "its results are gone from" in outcome.why[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_model_below_its_bound_is_not_blessed_and_the_run_says_why(trained):
    command = [sys.executable, "-m", "tfx_pipeline", "run", "--config", trained.anomaly_config]
    command += [*trained.flags, "--set", f"serving.base_path={trained.folder / 'x'}"]
    command += ["--set", "evaluation.bounds=[{metric: average_precision, at_least: 0.999}]"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "not blessed: average_precision is 0." in done.stdout
    assert "at least 0.999 is asked" in done.stdout
    assert "blessed and pushed" not in done.stdout
    assert not list((trained.folder / "x").glob("*/*"))
    # Nothing the Trainer depends on changed, so its result was taken from the cache.
    assert "epoch 1/1" not in done.stdout
