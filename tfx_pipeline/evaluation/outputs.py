"""What the outputs of `serving_default` say, offline or from a server alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfx_pipeline.evaluation.metrics import entities
from tfx_pipeline.evaluation.predictions import Row

_TOP = 5


def said(card: Mapping[str, Any], answer: Mapping[str, Any]) -> Row:
    """Turn one text's outputs into `predicted`, `score` and what else its task has.

    Args:
        card: the model card.
        answer: numpy values without the batch dimension, strings as bytes.
    """
    task = card["task"]
    if task == "regression":
        return {"predicted": float(answer["value"])}
    if task == "token":
        return {"predicted": _entities(answer)}
    found: Row = {
        "predicted": answer["label"].decode("utf-8"),
        "score": round(float(answer["score"]), 6),
    }
    if task == "anomaly":
        return found | {"novelty": round(float(answer["novelty"]), 4)}
    best = np.argsort(-answer["scores"])[:_TOP]
    top = [[card["labels"][i], round(float(answer["scores"][i]), 4)] for i in best]
    return found | {"top": top}


def _entities(answer: dict[str, Any]) -> list[tuple[str, int, int, float]]:
    """Join what the model tagged: words in BIO, or whole entities by their type."""
    length = int(answer["length"])
    tags = [tag.decode("utf-8") for tag in answer["tag"][:length]]
    begin, end, score = answer["begin"], answer["end"], answer["score"]
    if all(tag == "O" or tag[:2] in ("B-", "I-") for tag in tags):
        return [
            (
                kind,
                int(begin[first]),
                int(end[last - 1]),
                round(float(np.mean(score[first:last])), 4),
            )
            for kind, first, last in sorted(entities(tags), key=lambda found: found[1])
        ]
    return [(tags[i], int(begin[i]), int(end[i]), round(float(score[i]), 4)) for i in range(length)]
