"""A bridge as a process of its own: started, killed, stopped, and what it says of itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml


class BridgeProcess:
    """A context manager; what still runs at its end is killed.

    Args:
      folder: for its config, its words and its standard output.
      config: what the user would write; `state_dir` is looked for in it.
      environment: beside this process's own.
    """

    def __init__(
        self, folder: Path, config: Mapping[str, Any], environment: Mapping[str, str] | None = None
    ):
        self.folder = folder
        self._state = Path(config["state_dir"])
        self._environment = environment or {}
        self._config = folder / "bridge.yaml"
        self._config.write_text(yaml.safe_dump(dict(config)))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> BridgeProcess:
        """Returns at once."""
        command = [sys.executable, "-m", "stream_bridge", "run", "--quiet", "--config"]
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(  # noqa: S603
                [*command, str(self._config)],
                stdout=said,
                stderr=said,
                env={**os.environ, **self._environment},
            )
        return self

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds: float = 120) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    @property
    def said(self) -> str:
        """All that it printed, over every start."""
        return (self.folder / "said").read_text(errors="replace")

    def status(self) -> dict[str, Any]:
        """Its status file; empty before there is one."""
        try:
            return json.loads((self._state / "status.json").read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def runs(self) -> bool:
        """Its stream has begun, in this process and not in one before."""
        status = self.status()
        return status.get("pid") == self.process.pid and status.get("state") != "starting"

    def wait(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        """Waits for a condition; raises SystemExit with its words when it ends or never holds."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            ended = self.process is not None and self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                why = "the bridge has ended" if ended else f"not in {seconds:.0f} s"
                raise SystemExit(f"{what}: {why}; {self.status()}\n{self.said[-2000:]}")
            time.sleep(0.05)
        return found

    def resident_bytes(self) -> int:
        """Memory of the process that is in RAM."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def __enter__(self) -> BridgeProcess:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()
