# ruff: noqa: S603 - starts programs of its own
"""serving_client beside its peers, in one run: `python benchmarks/client.py [--rounds 3]`.

Makes an environment for each library with uv (kept under `--work`, so that a second run is quick),
starts one local server and prints three tables: start, codec, calls. Nothing is measured at the
same time as anything else, rounds go through all libraries in turn, and the best of each is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from table import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHON = "3.11"
PEERS: dict[str, tuple[str, list[str]]] = {
    "serving_client": ("serving_client", ["--refresh-package", "livebert", str(ROOT)]),
    "official": (
        "tensorflow, tensorflow_serving.apis.prediction_service_pb2_grpc",
        ["tensorflow-serving-api==2.21.0", "tensorflow==2.21.0"],
    ),
    "min-tfs": ("min_tfs_client.requests", ["min-tfs-client", "protobuf<3.21", "numpy<2"]),
    "ovmsclient": ("ovmsclient", ["ovmsclient", "protobuf<3.21", "numpy<2"]),
}
# The fewest lines that give something to call with.
OPEN = {
    "serving_client": "from serving_client import Client; Client('localhost:1')",
    "official": (
        "import grpc, tensorflow; from tensorflow_serving.apis import "
        "prediction_service_pb2_grpc as api; "
        "api.PredictionServiceStub(grpc.insecure_channel('localhost:1'))"
    ),
    "min-tfs": (
        "from min_tfs_client.requests import TensorServingClient; "
        "TensorServingClient('localhost', 1)"
    ),
    "ovmsclient": "import ovmsclient; ovmsclient.make_grpc_client('localhost:1')",
}
TENSORS = ("string[512]", "f32[512,384]", "i64[64,128]", "half[512,384]")


def environment(uv: str, work: Path, name: str) -> Path | None:
    """The Python of a library's environment, or None where it does not install here."""
    folder = work / name
    python = folder / "bin" / "python"
    mark = folder / "ready"
    if not mark.exists() or name == "serving_client":  # our own code may have changed
        print(f"installing {name} …", file=sys.stderr)
        subprocess.run([uv, "venv", "-q", "--clear", "-p", PYTHON, str(folder)], check=True)
        done = subprocess.run(
            [uv, "pip", "install", "-q", "-p", str(python), *PEERS[name][1]],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(f"{name} does not install here: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
        mark.touch()
    return python


def measure(python: Path, statement: str) -> tuple[float, float]:
    """Seconds (processor time) and MB of a fresh process that only runs `statement`."""
    code = (
        f"import resource; {statement};"
        "u = resource.getrusage(resource.RUSAGE_SELF);"
        "print(u.ru_utime + u.ru_stime, u.ru_maxrss / 1024)"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    seconds, size = done.stdout.split()[-2:]
    return float(seconds), float(size)


def worker(python: Path, name: str, address: str, what: str) -> dict[str, Any]:
    """What `client_worker.py` measures."""
    done = subprocess.run(
        [python, str(HERE / "client_worker.py"), name, address, what],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"{name} {what}: {done.stderr.strip()[-400:]}", file=sys.stderr)
        return {}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def show_start(pythons: dict[str, Path], address: str, rounds: int) -> None:
    """Import time, and what it takes until there is a client, and until its first answer."""
    rows = []
    official: list[float] = []
    for name in sorted(pythons, key=lambda each: each != "official"):
        python = pythons[name]
        steps = [
            min(measure(python, statement) for _ in range(max(rounds, 3)))
            for statement in (f"import {PEERS[name][0]}", OPEN[name])
        ]
        answers = [worker(python, name, address, "first") for _ in range(max(rounds, 3))]
        steps.append(min((found["seconds"], found["MB"]) for found in answers))
        seconds = [step[0] for step in steps]
        official = official or seconds
        cells = [
            f"{mine:.2f} ({theirs / mine:.0f}x)"
            for mine, theirs in zip(seconds, official, strict=True)
        ]
        rows.append([name, *cells, f"{steps[0][1]:.0f}", f"{steps[-1][1]:.0f}"])
    head = ["library", "import s", "a client s", "a first answer s", "MB imported", "MB answered"]
    table("Start, processor seconds from nothing (times quicker than official)", head, rows)


def show_codec(pythons: dict[str, Path], address: str, rounds: int) -> None:
    """Microseconds to encode and decode."""
    best: dict[str, dict[tuple[str, str], float]] = {name: {} for name in pythons}
    for _ in range(rounds):
        for name, python in pythons.items():
            found = worker(python, name, address, "codec")
            for tensor in TENSORS:
                for step, took in found.get(tensor, {}).items():
                    if took is not None:
                        key = (tensor, step)
                        best[name][key] = min(took, best[name].get(key, took))
    rows = []
    for tensor in TENSORS:
        for step in ("encode", "decode", "decode typed"):
            times = [best[name].get((tensor, step)) for name in pythons]
            row = [tensor, step, *("-" if took is None else f"{took:.0f}" for took in times)]
            ours, official = (
                best.get(n, {}).get((tensor, step)) for n in ("serving_client", "official")
            )
            rows.append([*row, f"{official / ours:.1f}x" if ours and official else "-"])
    table("Codec, microseconds", ["tensor", "step", *pythons, "ours against official"], rows)


def show_calls(pythons: dict[str, Path], address: str, rounds: int) -> None:
    """Calls a second against the same server."""
    ours = pythons["serving_client"]
    names = {"bare": ours, "bare + codec": ours, **pythons}
    best: dict[tuple[str, str], dict[str, float]] = {}
    for _ in range(rounds):
        for name, python in names.items():
            for in_flight, found in worker(python, name, address, "calls").items():
                key = (name, in_flight)
                if key not in best or found["calls/s"] > best[key]["calls/s"]:
                    best[key] = found
    rows = []
    for in_flight in ("1", "32"):
        floor = best.get(("bare", in_flight), {}).get("calls/s", float("nan"))
        for name in names:
            found = best.get((name, in_flight))
            if found:
                rows.append(
                    [name, in_flight, f"{found['calls/s']:.0f}", f"{found['p50']:.2f}",
                     f"{found['p99']:.2f}", f"{found['cpu us']:.0f}",
                     f"{found['calls/s'] / floor:.2f}"]
                )  # fmt: skip
    head = [
        "library", "in flight", "calls/s", "p50 ms", "p99 ms", "processor µs", "of bare grpcio"
    ]  # fmt: skip
    table("Predict, 32 texts in, 32 labels and scores out", head, rows)


def main() -> int:
    """Install, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "livebert-client-peers"
    )
    arguments = parser.parse_args()
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    pythons = {}
    for name in PEERS:
        python = environment(uv, arguments.work, name)
        if python is not None:
            pythons[name] = python
    ours = pythons["serving_client"]
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    server = subprocess.Popen(
        [ours, str(HERE / "client_server.py"), "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        port = server.stdout.readline().strip() if server.stdout else ""
        address = f"127.0.0.1:{port}"
        print(f"{os.cpu_count()} processors, Python {PYTHON}, best of {arguments.rounds} rounds")
        show_start(pythons, address, arguments.rounds)
        show_codec(pythons, address, arguments.rounds)
        show_calls(pythons, address, arguments.rounds)
    finally:
        server.terminate()
        server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
