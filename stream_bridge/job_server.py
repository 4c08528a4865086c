"""Programs that run a pipeline for the bridge: Prism, and Beam's job server for Flink.

They run beside the bridge and end with it; the steps of the pipeline run in the bridge's own
process, which is where its connections, positions and metrics are.
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.errors import ConfigError, EngineError

_START_SECONDS = 60.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
# Looked up here: nothing may be imported between fork and exec.
_PRCTL = ctypes.CDLL(None).prctl


class JobServer:
    """A running job server; a context manager.

    Args:
      name: what it is called in messages.
      command: without the port.
      port_flag: how the command is told its port.
      log: file for what it says.
    """

    def __init__(self, name: str, command: Sequence[str], port_flag: str, log: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._name, self._log = name, log
        self._command = [*command, f"{port_flag}={port}"]

    def __enter__(self) -> JobServer:
        with self._log.open("ab") as log:
            # A group of its own: Ctrl-C is for the bridge, which drains first.
            self._process = subprocess.Popen(  # noqa: S603 - the config's own program
                self._command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: _PRCTL(_DIE_WITH_PARENT, signal.SIGKILL),
            )
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self.address):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise EngineError(f"{self._name} does not start; see {self._log}")
            time.sleep(0.05)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return True
    except OSError:
        return False


def job_server(config: BridgeConfig) -> JobServer:
    """The job server of the config's engine, not yet started.

    Raises ConfigError where a program is missing, EngineError where the Flink master is away.
    """
    log = config.state_dir / f"{config.engine}.log"
    if config.engine == "prism":
        binary = config.prism.binary
        if shutil.which(binary) is None:
            raise ConfigError(
                f"prism.binary: {binary} is not there; requirements/services/prism.sh brings it"
            )
        command = [str(binary.resolve()), "--serve_http=false", "--log_level=warn"]
        return JobServer("Prism", command, "--job_port", log)
    flink = config.flink
    jar = flink.job_server_jar
    if shutil.which("java") is None or not jar.exists():
        raise ConfigError(
            f"flink.job_server_jar: Java and {jar} are needed; "
            "requirements/services/flink.sh brings the jar"
        )
    if flink.master != "[local]" and not _answers(flink.master):
        raise EngineError(f"flink.master: {flink.master} does not answer")
    command = ["java", "-Xmx768m", "-jar", str(jar.resolve()), "--job-host=127.0.0.1"]
    command += ["--artifact-port=0", "--expansion-port=0", f"--flink-master={flink.master}"]
    command += [f"--artifacts-dir={(config.state_dir / 'artifacts').resolve()}"]
    return JobServer("the Flink job server", command, "--job-port", log)
