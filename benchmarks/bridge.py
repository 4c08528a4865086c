"""Measures stream_bridge: `python benchmarks/bridge.py MODEL_VERSION_DIR --log BGL_2k.log`.

MODEL_VERSION_DIR is the SavedModel that `configs/bgl.yaml` trains, the log what it was trained on.
In one run on this machine: events a second beside the same SavedModel in this process, Beam's
RunInference with a TensorFlow model in its process, and a call per event through the official
stubs, all in turn, round after round; the bridge's own cost against a server that answers at once,
beside a pipeline of Beam's that does nothing; and how much later than a bare Predict a result is
there at half load. `--only soak --soak 10` streams ten minutes at half load and looks at memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bridge_load import latency_at_half_load, soak
from bridge_ways import WayProcess, instant_server
from server_process import Server, serving
from table import table

_SLOW = 4  # the slowest ways get one line of so many, spread over the log
_OWN_EVENTS = 100_000


class Way(NamedTuple):
    """One way of scoring, and what it is called with."""

    name: str
    kind: str
    options: Mapping[str, Any]


class Took(NamedTuple):
    """Of one event, microseconds: on the clock, and of the processor (the server's share too)."""

    clock: float
    processor: float


def rounds_of(ways: list[Way], rounds: int, server: Server | None = None) -> dict[str, list[Took]]:
    """Every way in a process of its own, all in turn; a first round warms."""
    took: dict[str, list[Took]] = {way.name: [] for way in ways}
    with ExitStack() as stack:
        running = [stack.enter_context(WayProcess(way.kind, way.options)) for way in ways]
        for number in range(rounds + 1):
            for way, process in zip(ways, running, strict=True):
                before = server.processor_seconds() if server else 0.0
                found = process.round()
                spent = (server.processor_seconds() if server else 0.0) - before
                one = 1e6 / found["events"]
                if number:
                    took[way.name].append(
                        Took(found["seconds"] * one, (found["processor_seconds"] + spent) * one)
                    )
                print(f"round {number}, {way.name}: {found}", file=sys.stderr, flush=True)
    return took


def ratio(ours: list[Took], theirs: list[Took], of: Callable[[Took], float]) -> float:
    """How many times quicker ours is: the median over the rounds."""
    return statistics.median(of(b) / of(a) for a, b in zip(ours, theirs, strict=True))


def show(title: str, took: Mapping[str, list[Took]], base: str) -> None:
    """The table of all ways, with the first one's advantage."""
    rows = []
    for name, each in took.items():
        clock = statistics.median(t.clock for t in each)
        processor = statistics.median(t.processor for t in each)
        rows.append(
            [name, f"{1e6 / clock:.0f}", f"{processor:.0f}"]
            + [f"{ratio(took[base], each, of):.2f}" for of in (_clock, _processor)]
        )
    head = ["way", "events/s", "processor µs/event", f"times as fast: {base}", "by processor time"]
    table(title, head, rows)


def _clock(took: Took) -> float:
    return took.clock


def _processor(took: Took) -> float:
    return took.processor


def spread(lines: list[str], share: int, file: Path) -> str:
    """The path of a file with one line of so many."""
    file.write_text("".join(lines[::share]))
    return str(file)


def beside_others(base: Path, model: Path, log: Path, rounds: int, folder: Path) -> float:
    """Prints two tables; returns the bridge's events a second without its cache."""
    lines = log.read_text("utf-8").splitlines(keepends=True)
    few = spread(lines, _SLOW, folder / "few.log")
    with serving(base) as server:
        asked = {"log": str(log), "address": server.grpc}
        ways = [
            Way("bridge, cache off", "bridge", {**asked, "cache": False}),
            Way("bridge, cache on", "bridge", {**asked, "cache": True}),
            Way("SavedModel in process", "in process", {"log": str(log), "model": str(model)}),
            Way("RunInference, padded to 128", "RunInference", {"log": few}),
            Way("a call per event", "a call per event", {**asked, "log": few}),
        ]
        took = rounds_of(ways, rounds, server)
    show("The same log, the same server", took, "bridge, cache off")
    show("The same, beside the bridge with its cache", took, "bridge, cache on")
    return 1e6 / statistics.median(t.clock for t in took["bridge, cache off"])


def own_cost(log: Path, rounds: int, folder: Path) -> None:
    """The bridge against a server that answers at once."""
    text = log.read_text("utf-8").rstrip("\n") + "\n"
    long = folder / "long.log"
    long.write_text(text * (_OWN_EVENTS // text.count("\n")))
    with instant_server() as address:
        asked = {"log": str(long), "address": address}
        ways = [
            Way("bridge, cache off", "bridge", {**asked, "cache": False}),
            Way("bridge, cache on", "bridge", {**asked, "cache": True}),
            Way("a pipeline that does nothing", "nothing", {"log": str(long)}),
        ]
        took = rounds_of(ways, rounds)
    show("Own cost, a server that answers at once", took, "bridge, cache off")


@contextmanager
def models(version: Path) -> Iterator[tuple[Path, Path]]:
    """A base directory that holds the version, and a folder to work in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        (folder / "models" / "1").symlink_to(version.absolute())
        yield folder / "models", folder


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--load", type=float, help="events/s of half load (default: measured)")
    parser.add_argument("--seconds", type=float, default=30, help="of the stream at half load")
    parser.add_argument("--soak", type=float, default=10, metavar="MINUTES")
    parser.add_argument("--only", help="one part", choices=("others", "own", "latency", "soak"))
    wanted = parser.parse_args()
    with models(wanted.model) as (base, folder):
        full = None
        if wanted.only in (None, "others"):
            full = beside_others(base, wanted.model, wanted.log, wanted.rounds, folder)
        if wanted.only in (None, "own"):
            own_cost(wanted.log, wanted.rounds, folder)
        if wanted.only in (None, "latency", "soak"):
            half = wanted.load or (full or 120.0) / 2
            if wanted.only != "soak":
                latency_at_half_load(base, wanted.log, half, wanted.seconds, folder)
            else:
                soak(base, wanted.log, half, wanted.soak, folder)


if __name__ == "__main__":
    main()
