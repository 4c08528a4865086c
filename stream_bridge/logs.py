"""Where a running bridge's log goes, and in which form: lines for people, or JSON for machines.

Everything goes to ``state_dir/bridge.log``; stderr gets what the bridge itself warns about. As JSON
each line is an object with ``time``, ``level``, ``logger``, ``message``, and ``exception`` where
there is one: what log collectors of containers read.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import orjson

from stream_bridge.timestamps import to_iso

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = {
            "time": to_iso(round(record.created * 1e6)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def log_to(path: Path, form: Literal["text", "json"]) -> None:
    """Sets up the process's logging; raises OSError where the file cannot be written."""
    file, console = logging.FileHandler(path), logging.StreamHandler()
    if form == "json":
        file.setFormatter(JsonFormatter())
        console.setFormatter(JsonFormatter())
    else:
        file.setFormatter(logging.Formatter(_FORMAT))
        console.setFormatter(logging.Formatter("stream-bridge: %(message)s"))
        # A traceback on a terminal helps nobody; it is in the file.
        console.addFilter(lambda record: record.exc_info is None)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.addHandler(file)
    logging.getLogger("stream_bridge").addHandler(console)
