# ruff: noqa: S603 - starts programs of its own
"""Kills and restarts a server under load and counts failed calls: there must be none.

`python benchmarks/client_restarts.py [--restarts 20] [--callers 32]`. The server is a process of
its own and is killed with SIGKILL, so calls are cut off at any point; the next one, which has done
its imports beforehand, listens up to a second later. Each call has a deadline of 10 s. Exit code 1
if a call failed.
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

HERE = Path(__file__).resolve().parent
_LISTEN_WHEN_TOLD = (
    f"import sys; sys.path.insert(0, {str(HERE)!r}); import client_server; "
    "print('ready', flush=True); sys.stdin.readline(); client_server.main()"
)


class Server:
    """A server process with its imports done, that listens at `port` (0: any) when told to."""

    def __init__(self, port: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LISTEN_WHEN_TOLD, port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._heard()

    def listen(self) -> str:
        """Begin; returns the port."""
        if self._process.stdin:
            self._process.stdin.write("\n")
        return self._heard()

    def kill(self) -> None:
        """End as in a crash."""
        self._process.kill()
        self._process.communicate()

    def _heard(self) -> str:
        return self._process.stdout.readline().strip() if self._process.stdout else ""


def main() -> int:
    """Run and print one line for the restarts and one for the calls."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--deadline", type=float, default=10.0, help="seconds for each call")
    arguments = parser.parse_args()
    server = Server("0")
    port = server.listen()
    outcomes: Counter[str] = Counter()
    slowest = away = 0.0
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
                following = Server(port)
                time.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - any moment will do
                server.kill()
                gone = time.monotonic()
                server = following
                time.sleep(random.uniform(0, 1))  # noqa: S311
                server.listen()
                away = max(away, time.monotonic() - gone)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            server.kill()
    failed = sum(outcomes.values()) - outcomes["OK"]
    print(
        f"{arguments.restarts} restarts under {arguments.callers} callers: "
        f"{outcomes['OK']} calls answered, {failed} failed, {retries['retries']} retries, "
        f"slowest call {slowest:.2f} s, server away for {away:.2f} s at most"
    )
    for text, count in outcomes.items():
        if text != "OK":
            print(f"  {count} x {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
