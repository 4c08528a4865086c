"""What the gate does with a candidate: load, ask, compare, measure, decide."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serving_client import Client, DeadlineExceededError, ServingError
from tfx_pipeline import versions
from tfx_pipeline.config import GateConfig
from tfx_pipeline.errors import ConfigError
from tfx_pipeline.evaluation import predictions
from tfx_pipeline.evaluation.predictions import Row
from tfx_pipeline.serving_gate import curve, servers
from tfx_pipeline.serving_gate.agreement import disagreement, golden

FILE = "gate.json"
GOLDEN = "golden.jsonl"
PICTURE = "curve.svg"
# TF Serving reads it in the version's directory with --enable_per_model_batching_parameters.
BATCHING = "batching_params.pbtxt"

_LOADING_SECONDS = 300.0


@dataclass(frozen=True)
class Served:
    """A candidate that some server has, or is loading."""

    kind: str
    address: str
    version: int
    server: servers.Server | None


def try_model(
    config: GateConfig,
    name: str,
    model_path: str,
    card: dict[str, Any],
    rows: Sequence[Row],
    folder: Path,
) -> list[str]:
    """Serve the candidate; write `gate.json`, the curve and the batching parameters to `folder`.

    Args:
        config: which server, and the budget.
        name: the model's name.
        model_path: the candidate's SavedModel.
        card: its model card.
        rows: its offline answers to the test split.
        folder: where the results go.

    Returns a line for each thing that is wrong, [] for a model that is fit to be served.
    """
    found: dict[str, Any] = {"server": config.server, "points": [], "memory_mb": None}
    sample = golden(rows, config.samples)
    predictions.write(folder / GOLDEN, sample)
    with _served(config, name, model_path, folder) as served, Client(served.address) as client:
        found["server"] = served.kind
        try:
            _wait(client, name, served)
            why = disagreement(client, name, served.version, card, sample, config.max_difference)
            texts = [row["text"] for row in sample]
            points = curve.measure(client, name, texts, config.batch_sizes, config.seconds)
            if served.server is not None:
                found["memory_mb"] = served.server.memory_mb()
            whys = [*([why] if why else []), *_over_budget(config, points, found["memory_mb"])]
        except ServingError as error:
            points, whys = [], [f"the server could not serve it: {_one_line(error)}"]
    if points:
        found["points"] = [asdict(point) for point in points]
        (folder / PICTURE).write_text(curve.picture(points), encoding="utf-8")
        batching = curve.batching_parameters(points, config.max_p99_ms)
        (folder / BATCHING).write_text(batching, encoding="utf-8")
        found["batching"] = batching
    found |= {"fit": not whys, "why": whys, "line": _line(found, whys, len(sample))}
    (folder / FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return whys


@contextmanager
def _served(config: GateConfig, name: str, model_path: str, folder: Path) -> Iterator[Served]:
    if ":" in config.server:
        if config.staging is None:
            raise ConfigError("serving.gate.staging: name the base path that the server watches")
        base = f"{config.staging}/{name}"
        version = versions.next_version(base)
        versions.copy_version(model_path, base, version)
        try:
            yield Served(config.server, config.server, version, None)
        finally:
            versions.remove_version(base, version)
        return
    with tempfile.TemporaryDirectory(prefix="serving-gate-") as temporary:
        base_path = Path(temporary) / name
        versions.copy_version(model_path, str(base_path), 1)
        with servers.start(config.server, name, base_path, folder / "server.log") as server:
            yield Served(server.kind, server.address, 1, server)


def _wait(client: Client, name: str, served: Served) -> None:
    """Wait until the candidate is loaded; a server that ended will never load it."""
    deadline = time.monotonic() + _LOADING_SECONDS
    while True:
        try:
            client.wait_until_ready(name, served.version, timeout=5.0)
            return
        except ServingError as error:
            ended = served.server is not None and served.server.process.poll() is not None
            waiting = error.retryable or isinstance(error, DeadlineExceededError)
            if ended or not waiting or time.monotonic() > deadline:
                raise


def _over_budget(
    config: GateConfig, points: Sequence[curve.Point], memory_mb: float | None
) -> list[str]:
    lines = []
    first, best = points[0], max(points, key=lambda point: point.events_per_second)
    failed = sum(point.errors for point in points)
    if failed:
        lines.append(f"{failed} calls failed while it was measured")
    if config.max_p99_ms is not None and first.p99_ms > config.max_p99_ms:
        lines.append(
            f"too slow: p99 is {first.p99_ms:.1f} ms with {first.batch_size} text in a call; "
            f"{config.max_p99_ms:g} ms are allowed"
        )
    least = config.min_events_per_second
    if least is not None and best.events_per_second < least:
        lines.append(
            f"too slow: {best.events_per_second:.1f} events/s at best; {least:g} are asked"
        )
    most = config.max_memory_mb
    if most is not None and memory_mb is not None and memory_mb > most:
        lines.append(f"too large: {memory_mb:.0f} MB of memory; {most:g} MB are allowed")
    return lines


def _line(found: dict[str, Any], whys: Sequence[str], asked: int) -> str:
    if whys:
        return f"Refused on {found['server']}: {'; '.join(whys)}."
    first, best = found["points"][0], max(p["events_per_second"] for p in found["points"])
    memory = "" if found["memory_mb"] is None else f", {found['memory_mb']:.0f} MB of memory"
    return (
        f"Fit to serve on {found['server']}: {asked} answers as offline, p99 {first['p99_ms']} ms "
        f"with {first['batch_size']} text in a call, {best} events/s at best{memory}."
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
