"""What is imported when: nobody pays for what is not used."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("google.protobuf", "grpc", "numpy")
STEPS = f"""
import json, sys
seen = lambda: print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
import serving_client; seen()
from serving_client import Client, ServingError; seen()
client = Client("localhost:1"); seen()
try: client.status("m", timeout=0.01)
except ServingError: seen()
try: client.predict("m", "x", timeout=0.01)
except ServingError: seen()
print(json.dumps([name for name in sys.modules if name.endswith("descriptor_pb2")]))
"""


def test_nothing_heavy_comes_before_it_is_needed():
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    imported, with_client, with_grpc, status, predict, descriptors = map(
        json.loads, done.stdout.splitlines()
    )
    assert imported == []
    assert with_client == ["google.protobuf"]
    assert "grpc" in with_grpc
    assert status == with_grpc
    assert predict == list(HEAVY)
    assert descriptors == []
