"""The commands of the chain as child processes, each with a log; none outlives the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .errors import StepFailed

_POLL_SECONDS = 0.1
_END_SECONDS = 20.0  # a bridge may drain for 10 s
_TAIL_LINES = 15


class Child:
    """One running command."""

    def __init__(self, name: str, command: Sequence[str], log: Path, *, piped: bool = False):
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                # A group of its own: Ctrl-C reaches the demo alone, which ends all in order,
                # and ending the group also ends what a command has started.
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    @property
    def running(self) -> bool:
        """True until the command has ended."""
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def lines(self) -> Iterator[str]:
        """What a piped command prints, line by line, as it also goes into the log."""
        assert self._process.stdout is not None  # noqa: S101 - it was started as piped
        with self._process.stdout as output, self.log.open("ab", buffering=0) as log:
            for line in output:
                log.write(line)
                yield line.decode(errors="replace").rstrip("\n")

    def last_line(self) -> str:
        """The last line of its log."""
        return self._tail(1)

    def failed(self, what: str) -> StepFailed:
        """The error to raise, with the end of the log."""
        return StepFailed(f"{self.name} {what}", self.log, self._tail(_TAIL_LINES))

    def _tail(self, count: int) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def signal(self, number: int) -> None:
        """Send a signal to the command and whatever it started."""
        with suppress(ProcessLookupError):  # it may just have ended
            os.killpg(self._process.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for the end; False when it still runs then."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class Children:
    """All commands of one demo. A context manager: on leaving, the last started ends first."""

    def __init__(self, logs: Path):
        self._logs = logs
        self._children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *exc: object) -> None:
        for child in reversed(self._children):
            self.end(child)

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a command that goes on in the background."""
        child = Child(name, command, self._logs / f"{name}.log")
        self._children.append(child)
        return child

    def run(self, name: str, command: Sequence[str], show: Callable[[str], None]) -> None:
        """Run a command to its end, passing each line that it prints to `show`.

        Its standard error goes into the log alone. Raises StepFailed when its exit status is not 0.
        """
        child = Child(name, command, self._logs / f"{name}.log", piped=True)
        self._children.append(child)
        for line in child.lines():
            show(line)
        child.wait(_END_SECONDS)
        if child.status != 0:
            raise child.failed(f"failed (exit status {child.status})")

    def check(self, *children: Child) -> None:
        """Raise StepFailed when one of these, which should be running, is not."""
        for child in children:
            if not child.running:
                raise child.failed(f"ended by itself (exit status {child.status})")

    def wait_for(
        self, condition: Callable[[], object], needs: Child, what: str, seconds: float
    ) -> None:
        """Wait until `condition` is true; StepFailed when `needs` ends or the time is up."""
        end = time.monotonic() + seconds
        while not condition():
            self.check(needs)
            if time.monotonic() > end:
                raise needs.failed(f"did not {what} within {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)

    def end(self, child: Child) -> None:
        """Ask a command to end, and make it; a second Ctrl-C makes it at once."""
        try:
            if child.running:
                child.signal(signal.SIGTERM)
                child.wait(_END_SECONDS)
        finally:
            # Also after a clean end: nothing that it started may stay.
            child.signal(signal.SIGKILL)
            child.wait(_END_SECONDS)
