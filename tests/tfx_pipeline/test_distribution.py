"""Training on several devices: what one device learns, two learn together."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def found(tiny_bert, tmp_path_factory) -> dict:
    """Run the trainings; one of a pair is on one device, the other on two."""
    folder = tmp_path_factory.mktemp("two-devices")
    done = subprocess.run(
        [sys.executable, "-m", "tests.tfx_pipeline.two_devices", str(tiny_bert), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("task", ["classification", "token"])
def test_two_devices_learn_what_one_does(found, task):
    # Of 39 texts one device gets 20, and of a text in a batch by itself the other gets nothing.
    one, two = found[task]
    assert one["copies"] == [1]
    assert two["copies"] == [2]
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert np.allclose(two["logits"], one["logits"], atol=1e-3)
    assert two["apart"] == 0
    assert two["losses"][-1] < two["losses"][-2]


def test_the_disagreement_of_two_passes_counts_as_on_one_device(found):
    # Their dropout is not the same, so the losses are only alike; counted by each device, as it
    # was, the disagreement would be twice as much.
    one, two = (run["losses"][0] for run in found["r_drop"])
    assert 0.6 < two / one < 1.5


def test_every_option_learns_on_two_devices(found):
    every = found["every"]
    assert every["copies"] == [2]
    assert every["apart"] == 0
    assert every["losses"][2] < every["losses"][1] < every["losses"][0]
    logits, served = np.array(every["logits"]), every["served"]
    assert np.isfinite(logits).all()
    assert served < 0.05 * np.abs(logits).max()
