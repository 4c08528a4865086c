"""Nonsense is refused, and the server goes on; 100,000 of it when there is time."""

import importlib.util
from pathlib import Path

import pytest

from serving_client.services import PREDICT

_spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).with_name("fuzz.py"))
fuzz = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzz)


def _rss_mb(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.parametrize(
    "count",
    [1_500, pytest.param(50_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_it_serves_after_nonsense(models, start, api, count):
    server = start("--model_name=half", f"--model_base_path={models}/half")
    before = _rss_mb(server)
    codes = fuzz.fuzz_grpc(server.address, count, seed=1)
    assert codes["INVALID_ARGUMENT"] > count / 20
    codes = fuzz.fuzz_rest(server.rest, count, seed=2)
    assert codes["400"] > count / 4
    assert "500" not in codes
    answer = server.call(PREDICT, api.predict("half", {"x": [[1.0]]}))
    assert list(answer.outputs["y"].float_val) == [3.5]
    assert _rss_mb(server) < before + 300
    assert not [line for line in server.lines if "must not" in line or "Traceback" in line]
