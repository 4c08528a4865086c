"""Latency by offered load, with and without batching, as a picture in Mermaid's words."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from server_process import Call, predict_calls, serving, text_request

LOADS = (10, 20, 40, 60, 80, 100, 120)  # events a second
SECONDS = 8.0
CALLERS = 256  # more than can ever wait: a call is made when its time has come


def latency_by_load(base: Path, texts: Sequence[str]) -> None:
    """Print p50 and p99 at each load, and a chart of p99 that GitHub draws."""
    p99: dict[str, list[float]] = {}
    requests = [text_request([text]) for text in texts]
    with serving(base) as plain, serving(base, "--enable_batching") as batching:
        servers = {"plain": plain, "batching": batching}
        calls = {name: predict_calls(server.grpc, requests) for name, server in servers.items()}
        for name in servers:
            offered(calls[name], 40, 2)
        for load in LOADS:
            for name in servers:
                times = sorted(offered(calls[name], load, SECONDS))
                middle, high = times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3
                p99.setdefault(name, []).append(high)
                print(f"{load:4} events/s, {name:9} p50 {middle:7.1f} ms, p99 {high:7.1f} ms")
    print("```mermaid\nxychart-beta")
    print('    title "p99 by offered load: plain, and with batching"')
    print(f'    x-axis "events/s" [{", ".join(map(str, LOADS))}]')
    print('    y-axis "p99, ms" 0 --> 1000')
    for values in p99.values():
        print(f"    line [{', '.join(f'{min(value, 1000):.0f}' for value in values)}]")
    print("```", flush=True)


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
