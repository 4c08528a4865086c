"""The package with its base dependencies only, on the oldest and the newest Python there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLDEST, NEWEST = "3.10", "3.13"


def uv():
    found = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    if not Path(found).exists():
        pytest.skip("uv is not installed")
    return found


def environment(folder, version, *packages):
    installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for interpreter in (version, *map(str, installed)):
        command = [uv(), "venv", "-q", "--clear", "-p", interpreter, str(folder)]
        if subprocess.run(command, capture_output=True).returncode == 0:
            break
    else:
        pytest.skip(f"there is no Python {version} here and uv cannot get it")
    python = folder / "bin" / "python"
    subprocess.run([uv(), "pip", "install", "-q", "-p", str(python), *packages], check=True)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_suite_passes_with_base_dependencies_only(tmp_path, version):
    python = environment(tmp_path / "v", version, str(ROOT))
    listed = subprocess.run(
        [uv(), "pip", "list", "-q", "-p", str(python)], capture_output=True, text=True, check=True
    )
    installed = {line.split()[0] for line in listed.stdout.splitlines()[2:]}
    assert installed <= {"grpcio", "livebert", "numpy", "protobuf", "typing-extensions"}
    tools = ("pytest", "pytest-timeout", "hypothesis")
    subprocess.run([uv(), "pip", "install", "-q", "-p", str(python), *tools], check=True)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow",
         str(ROOT / "tests" / "serving_client")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_the_suite_passes_with_the_oldest_dependencies(tmp_path):
    python = environment(
        tmp_path / "v", OLDEST, "--resolution", "lowest-direct",
        "-r", str(ROOT / "requirements" / "base.in"),
        "pytest>=8", "pytest-timeout>=2", "hypothesis>=6.100",
    )  # fmt: skip
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow",
         str(ROOT / "tests" / "serving_client")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_twenty_kills_under_32_callers_lose_no_call():
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "client_restarts.py")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "20 restarts under 32 callers" in done.stdout
