"""Which unlabelled events a person should label next, and which the model can label itself.

For a person: events the model is least sure of, each unlike those chosen before it; uncertainty
picks the candidates, and of these the one farthest from all chosen is taken, again and again
(k-centre greedy, Sener & Savarese 2018). For the model: events whose label it is surer of than a
bound (self-training, Yarowsky 1995). Both are written as JSON lines with the fields of the event,
so that the next import reads them with `data.format: {kind: json}`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.dataset.events import label_events
from tfx_pipeline.dataset.formats import reader
from tfx_pipeline.errors import DataError
from tfx_pipeline.evaluation.answers import Answering
from tfx_pipeline.evaluation.baselines import template
from tfx_pipeline.evaluation.outputs import said
from tfx_pipeline.evaluation.scorecard import alert_threshold, read_card
from tfx_pipeline.records import RejectedRow, Row
from tfx_pipeline.versions import versions

_BATCH = 64
# So many candidates for each event that is chosen.
_CANDIDATES = 10

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Selected:
    """How many events were read, of how many templates, and where the chosen ones went."""

    events: int
    templates: int
    chosen: int
    labelled: int


@dataclass(frozen=True)
class _Unlabelled:
    row: Row
    text: str


def select(
    config: PipelineConfig,
    files: Sequence[Path],
    count: int,
    review: Path,
    surer_than: float | None = None,
    labelled: Path | None = None,
) -> Selected:
    """Write the `count` events to label to `review`, and to `labelled` those labelled already.

    The newest pushed version answers. With `surer_than` an event goes to `labelled` where the
    probability of its label is at least that; one of each template goes to either.

    Raises:
        DataError: the task has no such selection, no version was pushed, or no event is there.
    """
    if config.task == "token" or (config.task == "regression" and surer_than is not None):
        raise DataError(f"select: a {config.task} model does not say how sure it is of a text")
    pushed = versions(str(config.push_path))
    if not pushed:
        raise DataError(f"{config.push_path}: no version; run `tfx-pipeline run` first")
    events = [event for file in files for event in _read(config, file)]
    if not events:
        raise DataError("select: the files hold no events")
    kinds = list({template(event.text): event for event in events}.values())
    path = config.push_path / str(pushed[-1])
    card = read_card(str(path))
    answering = Answering(str(path), card)
    texts = [event.text for event in kinds]
    answers = [said(card, one) for one in answering.ask("serving_default", texts, _BATCH)]
    doubt = np.array([_doubt(card, answer) for answer in answers])
    candidates = np.argsort(-doubt, kind="stable")[: _CANDIDATES * count]
    embeddings = answering.ask("embed", [texts[place] for place in candidates], _BATCH)
    vectors = np.array([one["embedding"] for one in embeddings], np.float64)
    chosen = [int(candidates[place]) for place in spread_out(vectors, doubt[candidates], count)]
    _write(review, config, [(kinds[n], answers[n], "") for n in chosen])
    sure = []
    if surer_than is not None and labelled is not None:
        sure = [
            (event, answer, _label(config, answer))
            for number, (event, answer) in enumerate(zip(kinds, answers, strict=True))
            if number not in set(chosen) and _confidence(config, answer) >= surer_than
        ]
        _write(labelled, config, sure)
    return Selected(len(events), len(kinds), len(chosen), len(sure))


def spread_out(vectors: Floats, doubt: Floats, count: int) -> list[int]:
    """Return the places of `count` of the L2-normalised rows of float[n, d].

    The first is the most doubtful; each next one is the farthest from those before, its distance
    weighed by its doubt.
    """
    chosen = [int(np.argmax(doubt))]
    distance = 1.0 - vectors @ vectors[chosen[0]]
    while len(chosen) < min(count, len(vectors)):
        gain = distance * doubt
        gain[chosen] = -1.0
        chosen.append(int(np.argmax(gain)))
        distance = np.minimum(distance, 1.0 - vectors @ vectors[chosen[-1]])
    return chosen


def _read(config: PipelineConfig, file: Path) -> list[_Unlabelled]:
    # Whatever stands in the label's field, or nothing, does not matter here.
    label = "0" if config.task == "regression" else "unknown"
    rows = [row for row in reader(config.data.format)(file) if isinstance(row, Row)]
    blind = [replace(row, fields={**row.fields, config.data.label: label}) for row in rows]
    events = label_events(iter(blind), config, None)
    return [
        _Unlabelled(row, event.text)
        for row, event in zip(rows, events, strict=True)
        if not isinstance(event, RejectedRow)
    ]


def _doubt(card: dict[str, Any], answer: dict[str, Any]) -> float:
    """Return 1 where two labels are equally likely, 0 where one is certain; 1 for a number."""
    if card["task"] == "regression":
        return 1.0
    if card["task"] == "anomaly":
        threshold = alert_threshold(card)
        return 1.0 - abs(answer["score"] - threshold) / max(threshold, 1.0 - threshold)
    first, second = (score for _, score in answer["top"][:2])
    return 1.0 - (first - second)


def _confidence(config: PipelineConfig, answer: dict[str, Any]) -> float:
    score = float(answer["score"])
    if config.task == "anomaly" and answer["predicted"] != "anomaly":
        return 1.0 - score
    return score


def _label(config: PipelineConfig, answer: dict[str, Any]) -> str:
    if config.task == "anomaly" and answer["predicted"] != "anomaly":
        return config.data.normal[0]
    return str(answer["predicted"])


def _write(
    path: Path,
    config: PipelineConfig,
    found: Sequence[tuple[_Unlabelled, dict[str, Any], str]],
) -> None:
    with path.open("w", encoding="utf-8") as file:
        for event, answer, label in found:
            said_of_it = {"predicted": answer["predicted"], "score": answer.get("score")}
            values = {**event.row.fields, config.data.label: label, "model": said_of_it}
            file.write(json.dumps(values, ensure_ascii=False) + "\n")
