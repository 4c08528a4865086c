"""The file of rejected rows: JSON lines of file, number, reason and raw text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tfx_pipeline.records import RejectedRow

REJECTED = "rejected.jsonl"


def write_rejected(path: Path, rows: Iterable[RejectedRow]) -> None:
    """Write the rows, replacing what was there."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
