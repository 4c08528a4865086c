"""What the README shows is what a newcomer types: every command of it is run, in its order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readme_has_commands_and_they_are_bash():
    assert BLOCKS
    for block in BLOCKS:
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_every_file_the_readme_names_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_ci_runs_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "make test" in README
    assert "make test" in script


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_command_works_as_printed(tmp_path):
    copy = tmp_path / "livebert"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in files.stdout.strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    # The environment is the one these tests run in; making it is what `make setup` was run for.
    # Its mark of being ready is the copy's own and new, so that make leaves it alone.
    (copy / ".venv").mkdir()
    for part in (ROOT / ".venv").iterdir():
        if part.name != ".ready":
            (copy / ".venv" / part.name).symlink_to(part)
    (copy / ".venv" / ".ready").touch()
    environment = {**os.environ, "SECONDS_OF_STREAM": "15"}
    for block in BLOCKS:
        # `make test` is what runs this test.
        script = re.sub(r"^make test\b", "make -n test", block, flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-e", "-m", "-o", "pipefail", "-c", script],
            cwd=copy,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-4000:]}"
        assert "Traceback" not in done.stdout
