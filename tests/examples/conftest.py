"""Helpers for the examples: they are started from the repository root, as a person would."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start():
    """Start a module of the examples as a process; every one is ended with the test."""
    processes = []

    def begin(*arguments: object, **options) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """Run a module of the examples to its end: its stdout, stderr and exit status."""

    def finish(*arguments: object) -> subprocess.CompletedProcess:
        process = start(*arguments)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return finish


@pytest.fixture
def until():
    """Wait for a condition; fail with its name when it does not come true in time."""

    def wait(condition: Callable[[], object], seconds: float = 20) -> object:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s: {condition}")

    return wait


@pytest.fixture
def rows():
    """The rows of a JSON-lines text or file."""

    def parse(source: str | Path) -> list[dict]:
        text = source.read_text() if isinstance(source, Path) else source
        return [json.loads(line) for line in text.splitlines()]

    return parse
