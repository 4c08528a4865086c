"""Latency by offered load, with and without batching, as a table and a picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from server_process import Call, predict_calls, serving, text_request

LOADS = (10, 20, 40, 60, 80, 100, 120)  # events a second
SECONDS = 8.0
CALLERS = 256  # more than can ever wait: a call is made when its time has come


def latency_by_load(base: Path, texts: Sequence[str], picture: Path) -> None:
    """Print a markdown table of p50 and p99 at each load, and draw them into `picture`."""
    requests = [text_request([text]) for text in texts]
    seen: dict[str, list[tuple[float, float]]] = {}
    with serving(base) as plain, serving(base, "--enable_batching") as batching:
        servers = {"plain": plain, "batching": batching}
        calls = {name: predict_calls(server.grpc, requests) for name, server in servers.items()}
        for name in servers:
            offered(calls[name], 40, 2)
        print("| events/s | plain p50, p99 (ms) | batching p50, p99 (ms) |\n|---|---|---|")
        for load in LOADS:
            for name in servers:
                times = sorted(offered(calls[name], load, SECONDS))
                at = [1e3 * times[int(len(times) * share)] for share in (0.5, 0.99)]
                seen.setdefault(name, []).append((at[0], at[1]))
            row = " | ".join(f"{p50:.1f}, {p99:.1f}" for p50, p99 in (s[-1] for s in seen.values()))
            print(f"| {load} | {row} |", flush=True)
    draw(seen, picture)
    print(f"the picture: {picture}", flush=True)


def draw(seen: Mapping[str, Sequence[tuple[float, float]]], picture: Path) -> None:
    """Draw (p50, p99) in milliseconds over `LOADS`, one colour for each server."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for colour, (name, points) in zip(("tab:red", "tab:blue"), seen.items(), strict=True):
        for part, style in enumerate(("--", "-")):
            label = f"{name}, {('p50', 'p99')[part]}"
            values = [point[part] for point in points]
            axes.plot(LOADS, values, style, color=colour, marker="o", label=label)
    axes.set(xlabel="offered load, events/s", ylabel="latency, ms", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})


def offered(calls: Sequence[Call], load: float, seconds: float) -> list[float]:
    """Latencies (seconds) when a call is due every 1 / load seconds, measured from when it was due.

    Calls do not wait for each other: a server that falls behind is seen to.
    """
    times: list[float] = []
    lock = threading.Lock()

    def call(number: int, due: float) -> None:
        calls[number % len(calls)]()
        with lock:
            times.append(time.perf_counter() - due)

    with ThreadPoolExecutor(CALLERS) as pool:
        began = time.perf_counter()
        for number in range(int(load * seconds)):
            due = began + number / load
            time.sleep(max(due - time.perf_counter(), 0))
            pool.submit(call, number, due)
    return times
