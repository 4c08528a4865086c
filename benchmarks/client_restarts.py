# ruff: noqa: S603 - starts programs of its own
"""Kills and restarts a server under load and counts failed calls: there must be none.

`python benchmarks/client_restarts.py [--restarts 20] [--callers 32]`. The server is a process of
its own and is killed with SIGKILL, so calls are cut off at any point. Each call has a deadline of
10 s. Exit code 1 if a call failed.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from serving_client import Client, ServingError

SERVER = Path(__file__).resolve().parent / "client_server.py"


def start(port: str) -> tuple[subprocess.Popen[str], str]:
    """A server process that listens, and its port."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), port], stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip() if process.stdout else ""


def main() -> int:
    """Run and print one line for the restarts and one for the calls."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--deadline", type=float, default=10.0, help="seconds for each call")
    arguments = parser.parse_args()
    server, port = start("0")
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    stop = threading.Event()
    lock = threading.Lock()

    def work() -> None:
        nonlocal slowest
        while not stop.is_set():
            began = time.monotonic()
            try:
                client.predict("bench", {"text": ["hello"]})
                outcome = "OK"
            except ServingError as error:
                outcome = str(error)
            with lock:
                outcomes[outcome] += 1
                slowest = max(slowest, time.monotonic() - began)

    retries: Counter[str] = Counter()
    with Client(
        f"127.0.0.1:{port}",
        timeout=arguments.deadline,
        hooks=[lambda record: retries.update({"retries": record.attempts - 1})],
    ) as client:
        client.wait_until_ready("bench")
        threads = [threading.Thread(target=work) for _ in range(arguments.callers)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(arguments.restarts):
                time.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - any moment will do
                server.kill()
                server.wait()
                server, _ = start(port)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            server.kill()
            server.wait()
    failed = sum(outcomes.values()) - outcomes["OK"]
    print(
        f"{arguments.restarts} restarts under {arguments.callers} callers: "
        f"{outcomes['OK']} calls answered, {failed} failed, {retries['retries']} retries, "
        f"slowest call {slowest:.2f} s"
    )
    for text, count in outcomes.items():
        if text != "OK":
            print(f"  {count} x {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
