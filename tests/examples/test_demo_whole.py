"""The whole demo, from nothing to its report."""

import re

import pytest


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
