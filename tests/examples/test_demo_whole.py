"""The whole demo, from nothing to its report, and on by hand from there."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = "postgres ERROR could not extend file: No space left on device"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_ends_with_its_report_and_has_lost_nothing(start, tmp_path):
    process = start("examples.demo", "--workdir", tmp_path / "demo", "--seconds", 15)
    out, err = process.communicate(timeout=880)
    assert process.returncode == 0, f"{out[-3000:]}\n{err}"
    sent, scored, dead = re.search(
        r"(\d+) events sent, (\d+) scored .*, (\d+) dead letters", out
    ).groups()
    assert sent == scored
    assert dead == "0"
    for piece in ("blessed and pushed", "TF-IDF + logistic regression", "Example alerts", "Files"):
        assert piece in out
    assert (tmp_path / "demo" / "report.txt").read_text().strip() in out
    go_on_by_hand(start, out)


def go_on_by_hand(start, report):
    """Start the server as the report says, and ask it in all the ways the examples show."""
    command = next(line for line in report.splitlines()[::-1] if "model-server --port=" in line)
    address = "127.0.0.1:" + re.search(r"--port=(\d+)", command)[1]
    server = subprocess.Popen(shlex.split(command), cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        for example in ("client", "official_stubs"):
            ask = start(f"examples.{example}", address, "events", TEXT)
            answer, err = ask.communicate(timeout=120)
            assert re.match(rf"[01]\.\d+ (anomaly|normal) \(version \d+\): {TEXT}", answer), err
    finally:
        server.terminate()
        server.communicate(timeout=40)
