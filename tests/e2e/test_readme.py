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


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the project in which commands may leave what they like."""
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
    # So are the services, which `make services` has brought.
    (copy / ".tools").symlink_to(ROOT / ".tools")
    return copy


def typed(script: str, folder: Path, **environment: str) -> str:
    # Where a command fails, the servers started before it end too: they hold the output open.
    ended = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    done = subprocess.run(
        ["bash", "-e", "-m", "-o", "pipefail", "-c", ended + script],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1700,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}"
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.fixture
def no_services(copy):
    """Stop what a test that was killed has left of the services, and what this one leaves."""
    stop = "source .venv/bin/activate; python -m examples.services down"
    typed(stop, copy)
    yield
    typed(stop, copy)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("no_services")
def test_every_command_works_as_printed(copy):
    for block in BLOCKS:
        if "$DATA" not in block:
            # `make test` is what runs this test.
            script = re.sub(r"^make test\b", "make -n test", block, flags=re.MULTILINE)
            typed(script, copy, SECONDS_OF_STREAM="15")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_task_goes_from_its_file_to_predictions(copy, data, tiny_bert):
    (block,) = [block for block in BLOCKS if "$DATA" in block]
    # The commands as printed, but with a small encoder and one epoch.
    quick = [f"encoder.preset={tiny_bert}", "training.epochs=1", "training.folds=0"]
    quick += ["evaluation.bounds=[]", "serving.gate.seconds=0.2"]
    flags = "".join(f" --set {flag}" for flag in quick)
    script, changed = re.subn(r"^tfx-pipeline run .*", rf"\g<0>{flags}", block, flags=re.MULTILINE)
    assert changed == 3
    said = typed(script, copy, DATA=str(data))
    assert said.count("blessed and pushed in") == 3
    for output in ("label", "value", "tag"):
        assert re.search(rf"\b{output}\b", said.rpartition("blessed and pushed in")[2]), output
