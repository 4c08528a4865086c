"""A growing log at half load: how late results are, and what memory does over time."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from bridge_process import BridgeProcess
from bridge_ways import bridge_config, texts_of
from server_load import offered
from server_process import predict_calls, serving, text_request
from table import table

_LOOK_SECONDS = 0.001


class Results(threading.Thread):
    """Follows the file of predictions: event id to when it was there."""

    def __init__(self, file: Path):
        super().__init__(daemon=True)
        self._file = file
        self.seen: dict[str, float] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        """Until `ended`."""
        with self._file.open("rb") as file:
            rest = b""
            while not self.ended.wait(_LOOK_SECONDS):
                *lines, rest = (rest + file.read()).split(b"\n")
                now = time.perf_counter()
                for line in lines:
                    self.seen[orjson.loads(line)["event_id"]] = now


@contextmanager
def bridged(address: str, folder: Path) -> Iterator[tuple[BridgeProcess, Path]]:
    """A bridge without its cache that follows a log, once it has scored a first line."""
    live = folder / "live.log"
    live.touch()
    config = bridge_config(
        live, address, folder, cache={"enabled": False}, source={"address": f"tail:{live}"}
    )
    with BridgeProcess(folder, config) as bridge:
        yield bridge, live


def write_at(live: Path, lines: Sequence[bytes], load: float, seconds: float) -> dict[str, float]:
    """Appends lines evenly; event id to when it was due."""
    due: dict[str, float] = {}
    began, at = time.perf_counter(), live.stat().st_size
    with live.open("ab", buffering=0) as file:
        for number in range(int(load * seconds)):
            moment = began + number / load
            time.sleep(max(moment - time.perf_counter(), 0))
            line = lines[number % len(lines)] + b"\n"
            due[f"{live}:{at}"] = moment
            at += file.write(line)
    return due


def latency_at_half_load(base: Path, log: Path, load: float, seconds: float, folder: Path) -> None:
    """Prints p50 and p99 of a bare Predict and of the bridge, in turn, and the difference."""
    lines = log.read_bytes().splitlines()
    times: dict[str, list[float]] = {"a bare Predict": [], "through the bridge": []}
    with serving(base) as server, bridged(server.grpc, folder) as (bridge, live):
        calls = predict_calls(server.grpc, [text_request([text]) for text in texts_of(log)])
        write_at(live, lines, load, 3)
        out = folder / "out.jsonl"
        bridge.wait(lambda: out.exists() and out.stat().st_size, 60, "a first prediction")
        results = Results(out)
        results.start()
        for _ in range(3):
            times["a bare Predict"] += offered(calls, load, seconds / 3)
            due = write_at(live, lines, load, seconds / 3)
            bridge.wait(lambda d=due: d.keys() <= results.seen.keys(), 60, "the last prediction")
            times["through the bridge"] += [results.seen[key] - due[key] for key in due]
        results.ended.set()
    found = {name: (_at(each, 0.5), _at(each, 0.99)) for name, each in times.items()}
    (bare, bare99), (ours, ours99) = found.values()
    rows = [[name, f"{p50:.1f}", f"{p99:.1f}"] for name, (p50, p99) in found.items()]
    rows.append(["added", f"{ours - bare:.1f}", f"{ours99 - bare99:.1f}"])
    title = f"From a written line to its durable result, {load:.0f} events/s, ms"
    table(title, ["", "p50", "p99"], rows)


def _at(times: Sequence[float], share: float) -> float:
    return statistics.quantiles(times, n=1000, method="inclusive")[round(share * 1000) - 1] * 1e3


def soak(base: Path, log: Path, load: float, minutes: float, folder: Path) -> None:
    """Prints the bridge's resident memory, minute by minute."""
    lines = log.read_bytes().splitlines()
    rows: list[list[str]] = []
    with serving(base) as server, bridged(server.grpc, folder) as (bridge, live):
        write_at(live, lines, load, 20)
        for minute in range(round(minutes) + 1):
            status = bridge.status()
            megabytes = bridge.resident_bytes() / 2**20
            rows.append([str(minute), str(status.get("out")), f"{megabytes:.1f}"])
            if minute < minutes:
                write_at(live, lines, load, 60)
        bridge.stop()
    first, last = float(rows[1][2]) if len(rows) > 2 else float(rows[0][2]), float(rows[-1][2])
    table(f"Memory at {load:.0f} events/s", ["minute", "predicted", "resident MiB"], rows)
    print(f"\nthe last is {last / first:.3f} of the one after a minute")
