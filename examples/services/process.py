"""A service: a process that can be killed and started again, on the same port, with its files."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_SCRIPTS = ROOT / "requirements" / "services"


def free_port() -> int:
    """A port of the loopback interface that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def until(condition: Callable[[], Any], seconds: float = 40.0, what: str = "it") -> Any:
    """Waits until the condition holds; returns what it gave, or raises AssertionError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)
    return found


def install(name: str) -> None:
    """Makes a service startable; does nothing where it already is."""
    script = str(_SCRIPTS / f"{name}.sh")
    subprocess.run(["bash", script], check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607


class Service(ABC):
    """A context manager that starts it, and kills it at the end.

    Args:
      folder: where it keeps its files.
      port: what it listens on; None takes a free one.
    """

    def __init__(self, folder: Path, port: int | None = None):
        self.folder = folder
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command that starts it, and does not return while it runs."""

    def ready(self) -> bool:
        """Whether it answers."""
        with socket.socket() as sock:
            sock.settimeout(0.2)
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def environment(self) -> dict[str, str]:
        """What its environment holds beside this process's own."""
        return {}

    def start(self) -> Service:
        """Returns when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - a program of our own choice
                self.command(),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                start_new_session=True,
            )
        until(self._is_up, 90, f"{self.address} of {self.folder}")
        return self

    def _is_up(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"it ended: {(self.folder / 'log').read_text()[-2000:]}")
        return self.ready()

    def kill(self) -> None:
        """SIGKILL for it and what it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self) -> Service:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()
