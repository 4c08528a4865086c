"""Starts services on their usual ports, and stops them: `python -m examples.services --help`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from examples.services.process import Service, until

_PORTS = {"kafka": 9092, "mosquitto": 1883, "postgresql": 5432, "pubsub": 8085}
_WITH_TOPICS = ("kafka", "pubsub")


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command; the exit status."""
    options = _parser().parse_args(argv)
    try:
        if options.command == "up":
            for name in options.services:
                up(options.folder.resolve() / name, name, options.topic)
        else:
            down(options.folder)
    except (AssertionError, OSError) as error:
        print(f"services: {error}", file=sys.stderr)
        return 1
    return 0


def up(folder: Path, name: str, topics: list[str]) -> None:
    """Starts a service that goes on when this command has ended; makes topics."""
    service = _kind(name)(folder, _PORTS[name])
    if service.ready():
        raise AssertionError(f"something listens on port {service.port} already")
    service.start()
    (folder / "pid").write_text(str(service.process.pid))
    for topic in topics if name in _WITH_TOPICS else ():
        service.topic(topic)
    print(f"{name}: {service.address}, files in {folder}")


def _kind(name: str) -> type[Service]:
    if name == "kafka":
        from examples.services.kafka import Kafka

        return Kafka
    if name == "mosquitto":
        from examples.services.mosquitto import Mosquitto

        return Mosquitto
    if name == "pubsub":
        from examples.services.pubsub import PubSub

        return PubSub
    from examples.services.postgresql import PostgreSQL

    return PostgreSQL


def down(folder: Path) -> None:
    """Stops what `up` has started there, and removes their files."""
    for file in sorted(folder.glob("*/pid")):
        pid = int(file.read_text())
        # Both understand it as: no new work, and a clean end. The pid may be another's by now.
        if _runs(pid, file.parent):
            os.kill(pid, signal.SIGINT)
            until(lambda pid=pid, at=file.parent: not _runs(pid, at), 60, f"the end of {pid}")
        shutil.rmtree(file.parent)
        print(f"{file.parent.name}: stopped")


def _runs(pid: int, folder: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return str(folder.resolve()).encode() in words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.services", description="Brokers and databases to try things with."
    )
    # Not below the checkout: PostgreSQL runs as a user that may not be let in there.
    folder = Path(tempfile.gettempdir()) / "livebert-services"
    parser.add_argument("--folder", type=Path, default=folder, help="(%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    start = commands.add_parser("up", help="start services; returns when they answer")
    start.add_argument("services", nargs="+", choices=sorted(_PORTS))
    start.add_argument(
        "--topic",
        action="append",
        default=[],
        help="a topic to make (in Pub/Sub with a subscription)",
    )
    commands.add_parser("down", help="stop them; removes their files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
