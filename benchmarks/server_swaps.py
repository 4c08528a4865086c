"""What swapping versions does to latency and memory."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path

import grpc
from server_process import predict_calls, serving, text_request

PAUSE_SECONDS = 0.01


def swaps(model: Path, base: Path, text: str, count: int) -> None:
    """Swap `count` times under one steady caller; print p99 and resident memory.

    Quiet seconds stand between the swaps, so that both p99 see the same machine. A call counts
    as made during a load when it began between a version's arrival on disk and the old one's end.
    """
    _place(model, base, 1)
    with serving(base, "--file_system_poll_wait_seconds=1") as server:
        call = predict_calls(server.grpc, [text_request([text])])[0]
        seen: list[tuple[float, float]] = []
        failed: list[grpc.RpcError] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                began = time.perf_counter()
                try:
                    call()
                except grpc.RpcError as error:
                    failed.append(error)
                    return
                seen.append((began, time.perf_counter() - began))
                stop.wait(PAUSE_SECONDS)

        asking = threading.Thread(target=ask, daemon=True)  # or a failure would never end
        asking.start()
        loads: list[tuple[float, float]] = []
        memory = {}
        time.sleep(2)
        first = time.perf_counter()
        for version in range(2, count + 2):
            time.sleep(1)
            if failed:
                raise SystemExit(f"a call failed before swap {version - 1}: {failed[0]}")
            began = time.perf_counter()
            _place(model, base, version)
            server.wait_for(rf"Unloaded servable version \{{name: m version: {version - 1}\}}")
            loads.append((began, time.perf_counter()))
            shutil.rmtree(base / str(version - 1))
            memory[version - 1] = server.resident_bytes()
            print(
                f"swap {version - 1} of {count} took {loads[-1][1] - began:.1f} s",
                file=sys.stderr,
                flush=True,
            )
        stop.set()
        asking.join()
    during, quiet = [], []
    for at, seconds in seen:
        if at > first:
            (during if any(a <= at <= b for a, b in loads) else quiet).append(seconds)
    for name, times in (("quiet", quiet), ("during a load", during)):
        p50, p99 = (1e3 * sorted(times)[int(len(times) * q)] for q in (0.5, 0.99))
        print(f"{name:16} p50 {p50:6.1f} ms, p99 {p99:6.1f} ms, {len(times)} calls", flush=True)
    shown = [n for n in (1, 5, 10, 20, 30, 40, 50) if n in memory]
    text = ", ".join(f"{memory[n] / 2**20:.0f} after {n}" for n in shown)
    ratio = memory[count] / memory[min(5, count)]
    print(f"resident MiB, by swaps: {text} (last / fifth {ratio:.2f})", flush=True)


def _place(model: Path, base: Path, version: int) -> None:
    base.mkdir(exist_ok=True)
    shutil.copytree(model, base / ".new")
    (base / ".new").rename(base / str(version))
