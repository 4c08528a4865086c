"""Bridges for tests: real gRPC servers with Python models, real files, threads or processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving_client.errors import InvalidArgumentError
from serving_client.testing import FakeServer
from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.run import run

OUTPUTS = {"label": "string[?]", "score": "float[?]"}


def detector(inputs):
    """A model: `bad` is an anomaly; refuses a whole batch that holds `poison`."""
    texts = [text.decode() for text in inputs["text"]]
    if any("poison" in text for text in texts):
        raise InvalidArgumentError("the text is poison")
    bad = ["bad" in text for text in texts]
    return {
        "label": [b"anomaly" if is_bad else b"normal" for is_bad in bad],
        "score": [0.9 if is_bad else 0.1 for is_bad in bad],
    }


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Waits until the condition holds, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that may be in the middle of being written."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


class Bridge:
    """A bridge under test, in a thread or as a process; its files are under one directory."""

    def __init__(self, folder: Path, fake: FakeServer, /, **changes: Any):
        self.folder = folder
        values: dict[str, Any] = {
            "state_dir": str(folder / "state"),
            "server": {"address": fake.address, "model": "m"},
            "sinks": {
                "predictions": {"address": f"jsonl:{folder}/out.jsonl", "take": "predictions"},
                "dead": {"address": f"jsonl:{folder}/dead.jsonl", "take": "dead_letters"},
            },
            "failure": {"backoff_seconds": 0.02, "max_backoff_seconds": 0.1},
        }
        for key, value in changes.items():
            if isinstance(value, dict) and isinstance(values.get(key), dict):
                values[key] = {**values[key], **value}
            else:
                values[key] = value
        self.values = values
        self.said: list[str] = []
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.exit_code: int | None = None
        self.process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    @property
    def config(self) -> BridgeConfig:
        return BridgeConfig.model_validate(self.values)

    def run(self, **options: Any) -> int:
        """Runs to the end, here."""
        return run(self.config, say=self.said.append, stop=self.stop, **options)

    def start(self) -> Bridge:
        """Runs in a thread."""

        def work() -> None:
            try:
                self.exit_code = self.run()
            except BaseException as error:
                self.error = error

        self._thread = threading.Thread(target=work)
        self._thread.start()
        return self

    def finish(self) -> int | None:
        """Drains, and waits for the end."""
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error
        return self.exit_code

    def spawn(self) -> Bridge:
        """Runs as a process of its own."""
        file = self.folder / "bridge.yaml"
        file.write_text(yaml.safe_dump(self.values))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stream_bridge", "run", "--config", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        return self

    def kill(self, number: int = signal.SIGKILL) -> tuple[int, str, str]:
        """Sends a signal; returns exit code, output and errors."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def status(self) -> dict[str, Any]:
        path = self.folder / "state" / "status.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def predictions(self) -> list[dict[str, Any]]:
        return json_lines(self.folder / "out.jsonl")

    @property
    def dead(self) -> list[dict[str, Any]]:
        return json_lines(self.folder / "dead.jsonl")


@pytest.fixture
def server():
    """A server with the model `m`, version 1."""
    with FakeServer() as fake:
        fake.add("m", detector, outputs=OUTPUTS)
        yield fake


@pytest.fixture
def bridge(tmp_path, server):
    """A factory of bridges in one directory; what still runs is stopped at the end."""
    made: list[Bridge] = []

    def make(**changes: Any) -> Bridge:
        made.append(Bridge(tmp_path, server, **changes))
        return made[-1]

    yield make
    for each in made:
        if each.process and each.process.poll() is None:
            each.kill()
        if each._thread and each._thread.is_alive():
            each.finish()
