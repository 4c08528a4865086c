"""Runs what docs/serving.md prints: sh blocks, `console` sessions and `pycon` sessions."""

import doctest
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

_BLOCK = re.compile(r"^```(sh|console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHECK = doctest.OutputChecker().check_output


def blocks(page: str) -> list[tuple[str, str]]:
    """(kind, text) of every block of a page that can be run."""
    return _BLOCK.findall(page)


class Sessions:
    """Runs blocks with /models in a folder of its own and ports that are free.

    Both are put in place of what is printed, and back again in what comes out.
    """

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self._folder = folder
        self._ports: dict[int, int] = {}
        for port in ports:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self._ports[port] = free.getsockname()[1]
        self._environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._started: list[subprocess.Popen] = []

    def real(self, text: str) -> str:
        """What is run where `text` is printed."""
        text = re.sub(r"(?<![\w/])/models", str(self._folder), text)
        for port, free in self._ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        return text

    def shell(self, text: str) -> None:
        """Run an sh block; what it starts with `&` goes on, and answers when this returns."""
        log = (self._folder / "log").open("a")
        process = subprocess.Popen(
            ["bash", "-e", "-c", self.real(text) + "\nwait"],
            env=self._environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._started.append(process)
        for port in re.findall(r"port=(\d+)", self.real(text)):
            deadline = time.monotonic() + 120
            while f":{port} ...\n" not in (said := (self._folder / "log").read_text()):
                assert process.poll() is None and time.monotonic() < deadline, said
                time.sleep(0.1)

    def console(self, text: str) -> None:
        """Run each command of a console session and compare what it prints."""
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            done = subprocess.run(
                ["bash", "-c", self.real(command)],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                timeout=60,
            )
            got = done.stdout.rstrip("\n") + "\n"
            assert _CHECK(self.real(expected), got, doctest.ELLIPSIS), f"$ {command}\n{got}"

    def python(self, text: str) -> None:
        """Run a pycon session in a process of its own."""
        file = self._folder / "session.txt"
        file.write_text(self.real(text))
        command = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS", str(file)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr[-2000:]

    def stop(self) -> None:
        """End everything that was started."""
        for process in self._started:
            try:
                os.killpg(process.pid, 15)
            except ProcessLookupError:
                continue
            process.wait(60)
        shutil.rmtree(self._folder)
