"""The demo's directory: made afresh for each demo, never anyone else's."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import TextIO

from .errors import UsageError

_MARK = ".livebert-demo"


class Workdir:
    """A context manager that holds the directory for one demo and empties it first."""

    def __init__(self, path: Path):
        self.path = path
        self._mark: TextIO | None = None

    def __enter__(self) -> Path:
        try:
            mark = self.path / _MARK
            if self.path.exists() and not mark.exists() and any(self.path.iterdir()):
                raise UsageError(
                    f"{self.path} has files that no demo wrote; choose another --workdir"
                )
            self.path.mkdir(parents=True, exist_ok=True)
            self._mark = mark.open("w")
            fcntl.flock(self._mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._empty()
        except BlockingIOError as error:
            raise UsageError(
                f"another demo runs in {self.path}; wait for it, or choose another --workdir"
            ) from error
        except OSError as error:
            raise UsageError(f"--workdir {self.path}: {error.strerror}") from error
        return self.path

    def __exit__(self, *exc: object) -> None:
        if self._mark:
            self._mark.close()

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _MARK:
                entry.unlink()
