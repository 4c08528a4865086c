"""What the demo is about: a simulated fleet, or a log that a person brings.

A scenario names the files of a demo, writes the two configs that the commands read, and knows the
commands that make events.
"""

from __future__ import annotations

import json
import shlex
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import UsageError

_ROOT = Path(__file__).resolve().parents[2]
_CONFIGS = _ROOT / "configs"
_SIMULATOR = (sys.executable, "-m", "examples.event_simulator")

# Sizes for two cores: the whole demo is to end within five minutes.
_HISTORY_EVENTS = 3000
# A short history whose parts (to train, to choose the threshold, to be judged on) all hold several
# kinds of incident. Live events have another seed: they must not repeat these.
_HISTORY_SEED = 4
_RATE = 20.0
_LABEL_DELAY_SECONDS = 4.0
_MOST_LINES = 2000


@dataclass(frozen=True)
class Scenario:
    """One demo: its files, all under `workdir`, and its commands.

    `history` are the labelled events that the pipeline imports, `make_history` the command that
    writes them (None when a person brought them), `stream` the command that writes live events
    and, later, their labels. `address` is where the model server is, or will be.
    """

    about: str
    workdir: Path
    model: str
    address: str
    history: Path
    make_history: tuple[str, ...] | None
    stream: tuple[str, ...]

    def kinds_learned(self) -> set[str]:
        """The kinds of anomaly among the events that the pipeline got to learn from."""
        rows = self.history.read_text(errors="replace").splitlines()
        if self.make_history:
            return {json.loads(row)["incident"] for row in rows} - {None}
        learned = rows[: int(self.stream[self.stream.index("--skip") + 1])]
        return {row.split(maxsplit=1)[0] for row in learned} - {"-"}

    @property
    def model_config(self) -> Path:
        """The config of `tfx-pipeline`."""
        return self.workdir / "model.yaml"

    @property
    def bridge_config(self) -> Path:
        """The config of `stream-bridge`."""
        return self.workdir / "bridge.yaml"

    @property
    def models(self) -> Path:
        """Where versions are pushed to and served from."""
        return self.workdir / "models" / self.model

    @property
    def live(self) -> Path:
        """The growing file of live events."""
        return live_path(self.workdir)

    @property
    def labels(self) -> Path:
        """The labels that arrive later."""
        return labels_path(self.workdir)

    @property
    def predictions(self) -> Path:
        """What the bridge writes."""
        return self.workdir / "predictions.jsonl"

    @property
    def dead_letters(self) -> Path:
        """What the bridge could not score."""
        return self.workdir / "dead_letters.jsonl"


def simulated(workdir: Path, seconds: float, address: str) -> Scenario:
    """A simulated fleet; in the last third of the stream it has incidents of new kinds."""
    history = workdir / "history.jsonl"
    make = (
        *(*_SIMULATOR, "history", "--events", str(_HISTORY_EVENTS), "--seed", str(_HISTORY_SEED)),
        *("--out", str(history)),
    )
    stream = (
        *(*_SIMULATOR, "stream", "--rate", f"{_RATE:g}", "--seconds", f"{seconds:g}"),
        *("--new-incidents-after", f"{seconds * 2 / 3:.0f}s", *_where(workdir)),
    )
    return _write(
        Scenario(
            about=f"a simulated fleet, {_HISTORY_EVENTS} events of three days to learn from",
            workdir=workdir,
            model="events",
            address=address,
            history=history,
            make_history=make,
            stream=stream,
        ),
        _CONFIGS / "events.yaml",
        _CONFIGS / "bridge-events.yaml",
    )


def real_log(workdir: Path, log: Path, seconds: float, address: str) -> Scenario:
    """A log like BGL_2k.log: its earlier part trains, its later part is streamed.

    A log of more than 2,000 lines is thinned evenly to that many.
    """
    model_yaml = _CONFIGS / "bgl.yaml"
    config = yaml.safe_load(model_yaml.read_text())
    columns = len(config["data"]["format"]["header"].split())
    lines = _read(log, columns)
    history = workdir / "history.log"
    history.write_bytes(b"".join(lines))
    # The pipeline cuts at the same place: rows before it train, those after it are its test split.
    cut = round(len(lines) * (1 - config["data"]["split"]["test"]))
    rest = len(lines) - cut
    stream = (
        *(*_SIMULATOR, "replay", str(history), "--skip", str(cut)),
        *("--rate", f"{rest / seconds:.3f}", "--header", config["data"]["format"]["header"]),
        *_where(workdir),
    )
    return _write(
        Scenario(
            about=f"{log}: {cut} lines to learn from, the {rest} after them as the live stream",
            workdir=workdir,
            model=config["name"],
            address=address,
            history=history,
            make_history=None,
            stream=stream,
        ),
        model_yaml,
        _CONFIGS / "bridge-bgl.yaml",
    )


def live_path(workdir: Path) -> Path:
    """The growing file of live events."""
    return workdir / "live.log"


def labels_path(workdir: Path) -> Path:
    """The file of the labels that arrive later."""
    return workdir / "labels.jsonl"


def shown(command: tuple[str, ...] | list[str]) -> str:
    """A command as a person would type it."""
    here = f"{Path.cwd()}/"
    return shlex.join(part.removeprefix(here) for part in command)


def _where(workdir: Path) -> tuple[str, ...]:
    return (
        *("--to", f"file:{live_path(workdir)}", "--labels", str(labels_path(workdir))),
        *("--label-delay", f"{_LABEL_DELAY_SECONDS:g}"),
    )


def _write(scenario: Scenario, model_yaml: Path, bridge_yaml: Path) -> Scenario:
    workdir = scenario.workdir
    model = yaml.safe_load(model_yaml.read_text())
    model["pipeline_root"] = str(workdir / "pipelines")
    model["data"] |= {"root": str(workdir / "spans"), "files": [str(scenario.history)]}
    model.setdefault("serving", {})["base_path"] = str(workdir / "models")
    _dump(scenario.model_config, model_yaml, model)
    bridge = yaml.safe_load(bridge_yaml.read_text())
    bridge["state_dir"] = str(workdir / "bridge")
    bridge["server"] |= {"address": scenario.address, "model": scenario.model}
    bridge["source"] = {"address": f"tail:{scenario.live}"}
    for name, sink in bridge["sinks"].items():
        sink["address"] = f"jsonl:{workdir / name}.jsonl"
    _dump(scenario.bridge_config, bridge_yaml, bridge)
    return scenario


def _dump(path: Path, source: Path, values: dict[str, Any]) -> None:
    text = yaml.safe_dump(values, sort_keys=False, width=100)
    path.write_text(f"# {source.relative_to(_ROOT)}, with the demo's paths.\n{text}")


def _read(log: Path, columns: int) -> list[bytes]:
    try:
        lines = log.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise UsageError(f"--data {log}: {error.strerror}") from error
    lines = [line if line.endswith(b"\n") else line + b"\n" for line in lines if line.strip()]
    fitting = [line for line in lines if len(line.split(maxsplit=columns - 1)) == columns]
    if len(fitting) < 0.9 * len(lines) or len(fitting) < 200:
        raise UsageError(
            f"--data {log}: {len(fitting)} of {len(lines)} lines are in the format of BGL_2k.log "
            f"(configs/bgl.yaml, data.format.header); the demo needs 200, and nine of ten"
        )
    step = max(1.0, len(lines) / _MOST_LINES)
    return [lines[int(n * step)] for n in range(int(len(lines) / step))]


def free_address() -> str:
    """An address that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"
