"""Loads and unloads leave the processors to requests, and nothing of that stays with the server."""

import contextlib
import ctypes
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from model_server.loaders import background
from model_server.runtime import session

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness on Linux")


def _niceness_after_leaving():
    seen = []

    def work():
        background.leave_processors()
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return seen[0]


@on_linux
def test_only_the_thread_that_leaves_gives_way():
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert _niceness_after_leaving() == max(before, 15)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@on_linux
def test_a_load_goes_on_where_niceness_is_forbidden_or_of_whole_processes(monkeypatch):
    before = os.getpriority(os.PRIO_PROCESS, 0)

    def forbidden(*_):
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "setpriority", forbidden)
        assert _niceness_after_leaving() == before
    monkeypatch.setattr(sys, "platform", "darwin")
    assert _niceness_after_leaving() == before


def test_memory_is_left_alone_where_the_c_library_cannot_give_it_back(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    background.give_memory_back()


@pytest.mark.parametrize("before", range(9))
def test_a_name_is_found_wherever_pieces_end(monkeypatch, before):
    monkeypatch.setattr(session, "_PIECE_BYTES", 4)
    names = (b"MapDefun", b"While")
    assert session._mentioned(memoryview(b"." * before + b"While" + b"...."), names)
    assert not session._mentioned(memoryview(b"." * before + b"Whil" + b"...."), names)


@on_linux
@pytest.mark.ours("how it loads")
def test_no_thread_of_a_swap_stays_behind_with_its_low_priority(place, start, tmp_path):
    place("half/1", tmp_path / "half", 1)
    server = start(
        "--model_name=half",
        f"--model_base_path={tmp_path}/half",
        "--file_system_poll_wait_seconds=1",
    )
    place("half/2", tmp_path / "half", 2)
    server.wait_for(r"Unloaded servable version \{name: half version: 1\}")
    own = {os.getpriority(os.PRIO_PROCESS, 0)}
    deadline = time.monotonic() + 10  # the thread that said so may not be gone yet
    while (seen := _niceness(server.process.pid)) != own and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen == own


def _niceness(pid):
    seen = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            seen.add(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    return seen
