"""PostgreSQL, as a user that is not root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from examples.services.process import Service, install

_USER = "postgres"  # the package's own: the server refuses to run as root


class PostgreSQL(Service):
    """A cluster with the database `postgres` and the user `bridge`; `address` is its URL."""

    def __init__(self, folder: Path, port: int | None = None):
        super().__init__(folder, port)
        install("postgresql")
        self._bin = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]

    @property
    def address(self) -> str:
        """What psql and the bridge connect to."""
        return f"postgresql://bridge@127.0.0.1:{self.port}/postgres"

    def command(self) -> Sequence[str]:
        """The server; its cluster is made on first use."""
        data = self.folder / "data"
        if not (data / "PG_VERSION").exists():
            if os.geteuid() == 0:
                shutil.chown(self.folder, _USER)
            make = ["initdb", "-U", "bridge", "-A", "trust", "--no-sync", "-D", str(data)]
            subprocess.run(  # noqa: S603 - PostgreSQL's own tool
                self._as_user(*make), check=True, cwd=self.folder, stdout=subprocess.DEVNULL
            )
        # Without fsync: it outlives its own death, not the machine's.
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "fsync": "off"}
        options["unix_socket_directories"] = ""
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return self._as_user("postgres", "-D", str(data), *flags)

    def ready(self) -> bool:
        """Whether it takes connections."""
        asked = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked).returncode == 0  # noqa: S603 - PostgreSQL's own tool

    def kill(self) -> None:
        """An immediate shutdown: as after a crash, but its sessions end with it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def _as_user(self, program: str, *arguments: str) -> list[str]:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command[:0] = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
        return command
