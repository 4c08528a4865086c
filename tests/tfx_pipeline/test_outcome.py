"""What the real runs recorded, read again; and a model that is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest


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
    assert not (trained.folder / "x").exists()
    # Nothing the Trainer depends on changed, so its result was taken from the cache.
    assert "epoch 1/1" not in done.stdout
