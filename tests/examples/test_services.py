"""Services that a user starts: what a killed one has left is gone on with."""

from __future__ import annotations

import os
import signal

import pytest

from examples.services import __main__ as command
from examples.services.process import free_port, until


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("kafka", "pubsub"):
        monkeypatch.setitem(command._PORTS, name, free_port())
    yield tmp_path
    command.main(["--folder", str(tmp_path), "down"])


def _up(folder, name):
    return command.main(["--folder", str(folder), "up", name, "--topic", "events"])


def _pid(folder, name):
    return int((folder / name / "pid").read_text())


def _killed(folder, name):
    pid = _pid(folder, name)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not command._runs(pid, folder / name), 20, f"the end of {name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kafka", "pubsub"])
def test_a_service_that_was_killed_starts_again_with_its_topic(name, folder):
    assert _up(folder, name) == 0
    _killed(folder, name)
    assert _up(folder, name) == 0


@pytest.mark.slow
def test_a_topic_the_broker_refuses_is_one_line(folder, capsys):
    assert command.main(["--folder", str(folder), "up", "kafka", "--topic", "no such"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("services: 127.0.0.1:")
    assert "Topic name is invalid: 'no such'" in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_down_leaves_nothing(folder):
    assert _up(folder, "kafka") == 0
    pid = _pid(folder, "kafka")
    assert command._runs(pid, folder / "kafka")
    assert command.main(["--folder", str(folder), "down"]) == 0
    assert not (folder / "kafka").exists()
    assert not command._runs(pid, folder / "kafka")
