"""The client in ten lines, as a person starts it."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from serving_client.testing import FakeServer

ROOT = Path(__file__).resolve().parents[2]


def score(inputs):
    """Longer is worse."""
    lengths = np.array([len(text) for text in inputs["text"]], np.float32) / 100
    label = np.where(lengths > 0.5, b"anomaly", b"normal").astype(object)
    return {"label": label, "score": lengths}


def test_the_client_prints_score_label_and_version():
    with FakeServer() as server:
        server.add("events", score, version=12)
        done = subprocess.run(
            [sys.executable, "examples/client.py", server.address, "events", "a" * 20, "b" * 80],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stdout.splitlines() == [
        f"0.200 normal (version 12): {'a' * 20}",
        f"0.800 anomaly (version 12): {'b' * 80}",
    ], done.stderr
