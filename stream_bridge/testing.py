"""For tests of one's own bridge config: source and sinks in memory, a model that is a function.

::

    from stream_bridge.testing import BridgeTest

    def model(inputs):
        bad = [b"disk" in text for text in inputs["text"]]
        return {"label": [b"anomaly" if b else b"normal" for b in bad],
                "score": [0.9 if b else 0.1 for b in bad]}

    def test_disk_errors_are_alerts():
        with BridgeTest("bridge.yaml", model) as bridge:
            bridge.send('{"event_id": "1", "message": "disk full", "host": "db-1"}')
            run = bridge.run()
        assert [alert["event_id"] for alert in run["alerts"]] == ["1"]

The config is the one that runs in production, only its source, its sinks' addresses, its server and
its state directory are replaced; ``take`` and ``when`` of the sinks stay. The pipeline, the parser,
the rules and the scoring are the real ones, and the model is asked over gRPC.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from serving_client.testing import FakeServer, ModelFunction
from stream_bridge import memory
from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.loading import load_config
from stream_bridge.config.memory import MemorySink, MemorySource
from stream_bridge.run import run
from stream_bridge.timestamps import set_clock, time_reader

_OUTPUTS = {"label": "string[?]", "score": "float[?]"}


class Clock:
    """A wall clock that a test turns by hand: when lines arrive, and how old events are.

    Args:
      at: where it stands at first, ISO 8601.
    """

    def __init__(self, at: str = "2026-01-01T00:00:00Z"):
        self._now = time_reader("iso", "UTC")(at)

    def __call__(self) -> int:
        """Microseconds since the epoch."""
        return self._now

    def turn(self, seconds: float) -> None:
        """Moves it on."""
        self._now += round(seconds * 1_000_000)


class Run:
    """What one run of the bridge did.

    Attributes:
      exit_code: 0 when every line is accounted for.
      account: the closing line.
      said: all lines for people.
    """

    def __init__(self, exit_code: int, said: Sequence[str], taken: Mapping[str, list[Any]]):
        self.exit_code = exit_code
        self.said = list(said)
        self.account = next(line for line in said if line.startswith("read "))
        self._taken = taken

    def __getitem__(self, sink: str) -> list[dict[str, Any]]:
        """What the sink of that name got in this run, in order, as JSON objects."""
        return self._taken[sink]


class BridgeTest:
    """A bridge under test; a context manager.

    Args:
      config: the file, or a loaded config.
      model: from a dict of inputs (lists of bytes) to a dict of outputs, one row a text; raise a
        `serving_client.errors` error to play a failure.
      outputs: output name to dtype and shape, where they are not a label and a score.
      version: the model's version.
      card: the model card that the server tells, or None.
      overrides: ``A.B=C``, as for ``--set``.
      clock: turned by hand; None is the machine's.
    """

    def __init__(
        self,
        config: Path | str | BridgeConfig,
        model: ModelFunction,
        *,
        outputs: Mapping[str, str] | None = None,
        version: int = 1,
        card: Mapping[str, Any] | None = None,
        overrides: Sequence[str] = (),
        clock: Clock | None = None,
    ):
        loaded = config if isinstance(config, BridgeConfig) else load_config(config, overrides)
        self._name = uuid.uuid4().hex
        self._folder = tempfile.TemporaryDirectory(prefix="bridge-test")
        self._clock = clock
        self._source = MemorySource(address=f"memory:{self._name}")
        self._model, self._version, self._card = model, version, card
        self._outputs = dict(outputs or _OUTPUTS)
        self._loaded = loaded
        self.server = FakeServer()

    def __enter__(self) -> BridgeTest:
        config = self._loaded
        self.server.start()
        name = config.server.model
        self.server.add(name, self._model, version=self._version, outputs=self._outputs)
        if config.server.label is not None:
            self.server.set_label(name, config.server.label, self._version)
        if self._card is not None:
            self._tell_card(name, orjson.dumps(self._card))
        if self._clock is not None:
            set_clock(self._clock)
        sinks = {
            sink: MemorySink(address=f"memory:{self._name}/{sink}", take=it.take, when=it.when)
            for sink, it in config.sinks.items()
        }
        changed = {
            "engine": "local",
            "state_dir": Path(self._folder.name),
            "source": self._source,
            "sinks": sinks,
            "server": config.server.model_copy(
                update={"address": self.server.address, "version": None}
            ),
            "monitoring": type(config.monitoring)(),
        }
        self.config = config.model_copy(update=changed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        set_clock(None)
        self.server.stop()
        self._folder.cleanup()

    def send(
        self,
        *lines: str | bytes | Mapping[str, Any],
        key: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Lines arrive, at the time the clock says.

        Args:
          lines: a mapping is a line of JSON.
          key: what a broker gives as their key.
          attributes: what a broker carries beside them (headers, ``topic`` of MQTT).
        """
        for line in lines:
            if isinstance(line, Mapping):
                data = orjson.dumps(line)
            else:
                data = line.encode() if isinstance(line, str) else line
            memory.send(self._source.address, data, key, attributes)

    def run(self) -> Run:
        """Runs the bridge over what was sent since the last run."""
        addresses = {name: sink.address for name, sink in self.config.sinks.items()}
        before = {name: len(memory.TAKEN[address]) for name, address in addresses.items()}
        said: list[str] = []
        code = run(self.config, say=said.append)
        taken = {
            name: [orjson.loads(text) for text in memory.TAKEN[address][before[name] :]]
            for name, address in addresses.items()
        }
        return Run(code, said, taken)

    def _tell_card(self, model: str, card: bytes) -> None:
        self.server.add(
            model,
            lambda inputs: {"card": [card]},
            version=self._version,
            signature="model_card",
            inputs={},
            outputs={"card": "string[1]"},
        )
