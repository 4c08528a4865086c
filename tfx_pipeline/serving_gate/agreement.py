"""Whether a server gives the answers that were computed offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving_client import Client
from tfx_pipeline.evaluation.outputs import said
from tfx_pipeline.evaluation.predictions import Row

_BATCH = 16


def golden(rows: Sequence[Row], count: int) -> list[Row]:
    """Choose rows with distinct texts, from the shortest text to the longest."""
    distinct = sorted({row["text"]: row for row in rows}.values(), key=lambda r: len(r["text"]))
    step = max(1, len(distinct) // count)
    return distinct[::step][:count]


def disagreement(
    client: Client,
    name: str,
    version: int | None,
    card: dict[str, Any],
    rows: Sequence[Row],
    tolerance: float,
) -> str | None:
    """Ask the server and say in one line how its answers differ; None when they agree.

    A score or value may differ by `tolerance`: batches of other sizes round otherwise.

    Raises:
        ServingError: the server did not answer.
    """
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        answer = client.predict(name, [row["text"] for row in batch], version=version)
        for place, row in enumerate(batch):
            served = said(card, {key: values[place] for key, values in answer.items()})
            if not _agree(card["task"], row, served, tolerance):
                return (
                    f"the server says {_shown(served)} where offline it was {_shown(row)}, "
                    f"for {row['text'][:80]!r}"
                )
    return None


def _agree(task: str, row: Row, served: Row, tolerance: float) -> bool:
    if task == "regression":
        allowed = tolerance * max(1.0, abs(row["predicted"]))
        return abs(row["predicted"] - served["predicted"]) <= allowed
    if task == "token":
        # An entity the model is unsure of may come and go with the rounding.
        sure = {tuple(s[:3]) for s in row["predicted"] if s[3] >= 0.5 + tolerance}
        return sure <= {tuple(span[:3]) for span in served["predicted"]}
    close = abs(row["score"] - served["score"]) <= tolerance
    if task == "anomaly" or row["predicted"] == served["predicted"]:
        return close
    best = [score for _, score in row["top"]]
    return close and best[0] - best[1] <= tolerance


def _shown(row: Row) -> str:
    score = f" ({row['score']:.4f})" if "score" in row else ""
    predicted = row["predicted"]
    return (f"{predicted:.4f}" if isinstance(predicted, float) else str(predicted)) + score
