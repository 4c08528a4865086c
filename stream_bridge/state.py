"""The state directory: positions that survive a crash, and a lock so that one bridge owns them.

::

    <state_dir>/lock            held while a bridge runs
    <state_dir>/positions.json  source address -> position, replaced atomically and synced
    <state_dir>/status.json     what the bridge is doing, rewritten about each second
    <state_dir>/spool/          lines taken from sockets and not yet scored
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import orjson

from stream_bridge.errors import StateError

Position = dict[str, Any]


def write_atomically(path: Path, data: bytes, *, sync: bool) -> None:
    """Replaces a file so that a reader, or a crash, sees the old or the new one, never half.

    Args:
      path: the file.
      data: its new content.
      sync: also wait until it would survive a power cut.
    """
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    fresh.replace(path)
    if sync:
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes a rename, or a new file, in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def instance_name(state_dir: Path) -> str:
    """A name of this bridge that a restart has again, so that brokers know it."""
    place = f"{socket.gethostname()}:{state_dir.resolve()}"
    return "stream-bridge-" + hashlib.blake2b(place.encode(), digest_size=8).hexdigest()


class StateDir:
    """The state directory of one running bridge; a context manager that holds its lock."""

    def __init__(self, path: Path):
        self.path = path
        self._positions_file = path / "positions.json"
        self._positions: dict[str, Position] = {}
        self._lock: int | None = None

    def __enter__(self) -> StateDir:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._positions = self._load()
        except BlockingIOError as error:
            raise StateError(
                f"{self.path} is in use by another bridge; stop it, or choose another state_dir"
            ) from error
        except OSError as error:
            raise StateError(f"state_dir {self.path}: {error.strerror}") from error
        return self

    def __exit__(self, *exc: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _load(self) -> dict[str, Position]:
        if not self._positions_file.exists():
            return {}
        try:
            positions = orjson.loads(self._positions_file.read_bytes())
        except orjson.JSONDecodeError as error:
            raise StateError(
                f"{self._positions_file} is damaged; restore it, or start anew with --from-start"
            ) from error
        return dict(positions)

    def position(self, address: str) -> Position | None:
        """The committed position of a source, or None where there is none."""
        return self._positions.get(address)

    def commit(self, address: str, position: Position) -> None:
        """Makes a position durable; raises OSError where the disk refuses."""
        positions = {**self._positions, address: position}
        write_atomically(self._positions_file, orjson.dumps(positions), sync=True)
        self._positions = positions

    def forget(self, address: str) -> None:
        """Drops a source's position, so that it starts anew."""
        if address in self._positions:
            del self._positions[address]
            write_atomically(self._positions_file, orjson.dumps(self._positions), sync=True)
