"""Growing files, read bit by bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class GrowingLines:
    """The whole lines that were appended to a file since the last look; it need not exist yet."""

    def __init__(self, path: Path):
        self.path = path
        self._offset = 0

    def new(self) -> list[bytes]:
        """The lines that are new, without their line ends; a half-written one waits."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()


class GrowingRows(GrowingLines):
    """The same for JSON lines."""

    def new_rows(self) -> Iterator[dict[str, Any]]:
        """The rows that are new."""
        return map(json.loads, self.new())
