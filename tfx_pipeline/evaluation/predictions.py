"""What a model said of each event of the test split, one JSON line each.

Every figure, curve and table of the review is computed from these lines, so that it can be
computed again. A line has `event_id`, `time`, `text`, `features`, `truth`, `predicted` and by
task: `score` (probability of the predicted label; of the anomaly for anomalies), `novelty`,
`unseen` (no training text has this template), `top` (the likeliest labels with their
probabilities). Entities are `[type, begin, end, score]` in bytes of the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FILE = "predictions.jsonl"
BASELINE_FILE = "baseline_predictions.jsonl"

Row = dict[str, Any]
Columns = Mapping[str, npt.NDArray[Any]]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows, one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read(path: Path) -> list[Row]:
    """Read what `write` wrote; nothing where there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def columns(task: str, rows: Sequence[Row]) -> Columns:
    """Return the arrays [n] that a task's metrics are made of."""
    if task == "anomaly":
        return {
            "score": np.array([row["score"] for row in rows], np.float64),
            "truth": np.array([row["truth"] == "anomaly" for row in rows], bool),
            "unseen": np.array([row["unseen"] for row in rows], bool),
        }
    if task == "regression":
        return {
            name: np.array([row[name] for row in rows], np.float64)
            for name in ("predicted", "truth")
        }
    if task == "token":
        pairs = [(_spans(row["predicted"]), _spans(row["truth"])) for row in rows]
        return {
            "hits": np.array([len(given & wanted) for given, wanted in pairs], np.int64),
            "given": np.array([len(given) for given, _ in pairs], np.int64),
            "wanted": np.array([len(wanted) for _, wanted in pairs], np.int64),
        }
    names = sorted({row[key] for row in rows for key in ("truth", "predicted")})
    ids = {name: number for number, name in enumerate(names)}
    return {
        "predicted": np.array([ids[row["predicted"]] for row in rows], np.int64),
        "truth": np.array([ids[row["truth"]] for row in rows], np.int64),
        "score": np.array([row["score"] for row in rows], np.float64),
    }


def is_right(task: str, row: Row) -> bool:
    """Say whether an event was answered rightly; a number hardly ever is."""
    if task == "regression":
        return row["predicted"] == row["truth"]
    if task == "token":
        return _spans(row["predicted"]) == _spans(row["truth"])
    return row["truth"] == row["predicted"]


def _spans(found: Sequence[Sequence[Any]]) -> set[tuple[str, int, int]]:
    return {(kind, begin, end) for kind, begin, end, *_ in found}
