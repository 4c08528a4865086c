"""Servers to try a model on: the embedded one or TF Serving as a process, or one that runs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TF_SERVING = "tensorflow_model_server"


@dataclass(frozen=True)
class Server:
    """A server that was started: where it listens, and its process."""

    kind: str
    address: str
    process: subprocess.Popen[bytes]

    def memory_mb(self) -> float | None:
        """The most memory the process has held at once, None once it has ended."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return None
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return None


@contextmanager
def start(kind: str, name: str, base_path: Path, log: Path) -> Iterator[Server]:
    """Run a server of the versions under `base_path` until the block is left.

    Args:
        kind: `embedded`, `tensorflow_model_server`, or `auto`: the latter where it is installed.
        name: the model's name.
        base_path: the directory with the numbered versions.
        log: gets what the server says.
    """
    if kind == "auto":
        kind = TF_SERVING if shutil.which(TF_SERVING) else "embedded"
    program = [TF_SERVING] if kind == TF_SERVING else [sys.executable, "-m", "model_server"]
    port = _free_port()
    flags = [f"--port={port}", f"--model_name={name}", f"--model_base_path={base_path.absolute()}"]
    # What does not load the first time would be tried again for five minutes.
    flags.append("--max_num_load_retries=0")
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - both programs are named above
            [*program, *flags], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Server(kind, f"127.0.0.1:{port}", process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
