"""When a bundle of lines is complete."""

from __future__ import annotations

import contextlib
import time
from types import SimpleNamespace

import pytest

from stream_bridge.config.scoring import BatchingConfig
from stream_bridge.reading import read_bundle

BATCHING = BatchingConfig(wait_seconds=0.2, sort_events=4, max_events=4, commit_seconds=5.0)


class Scripted:
    """Gives the chunks of a script, each after some seconds; `waits` is how long it might have."""

    done = False

    def __init__(self, *script: tuple[float, int]) -> None:
        self._script = iter(script)
        self.waits: list[float] = []

    def read(self, limit: int, wait_seconds: float) -> list[bytes]:
        self.waits.append(wait_seconds)
        seconds, lines = next(self._script, (0.0, 0))
        time.sleep(min(seconds, wait_seconds))
        return [b"line"] * min(lines, limit)


@pytest.fixture
def runtime():
    return SimpleNamespace(
        config=SimpleNamespace(batching=BATCHING, stop_after=None, engine="local"),
        metrics=SimpleNamespace(lines_read=lambda lines: None, total_read=0),
        noting_failure=contextlib.nullcontext,
        stopping=False,
        looked=time.monotonic(),
    )


def test_a_line_that_just_came_waits_for_company(runtime):
    source = Scripted((0.01, 1), (0.01, 1), (9.0, 0))
    assert [len(chunk) for chunk in read_bundle(runtime, source)] == [1, 1]
    assert source.waits[1] == pytest.approx(0.2, abs=0.05)
    assert source.waits[2] < source.waits[1]


def test_lines_that_came_while_the_last_bundle_was_scored_wait_no_longer(runtime):
    runtime.looked -= 0.3
    source = Scripted((0.0, 2), (9.0, 1))
    assert [len(chunk) for chunk in read_bundle(runtime, source)] == [2]
    assert len(source.waits) == 1

    # A short bundle was no such wait: only the rest of it is left.
    runtime.looked = time.monotonic() - 0.15
    source = Scripted((0.0, 2), (9.0, 0))
    assert [len(chunk) for chunk in read_bundle(runtime, source)] == [2]
    assert source.waits[1] == pytest.approx(0.05, abs=0.04)


def test_a_backlog_is_read_on_however_long_it_has_waited(runtime):
    runtime.looked -= 60
    source = Scripted((0.0, 4), (0.0, 4), (0.0, 3))
    assert [len(chunk) for chunk in read_bundle(runtime, source)] == [4, 4, 3]
