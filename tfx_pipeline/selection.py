"""Which unlabelled events a person should label next, and which the model can label itself.

For a person: events the model is least sure of, each unlike those chosen before it; uncertainty
picks the candidates, and of these the one farthest from all chosen is taken, again and again
(k-centre greedy, Sener & Savarese 2018). For the model: events whose label it is surer of than a
bound (self-training, Yarowsky 1995); a label of a token task is the tags of a whole text. Both
are written as JSON lines with the fields of the event, so that the next import reads them with
`data.format: {kind: json}`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.dataset.unlabelled import Unlabelled, read_unlabelled
from tfx_pipeline.errors import DataError
from tfx_pipeline.evaluation.answers import Answering
from tfx_pipeline.evaluation.baselines import template
from tfx_pipeline.evaluation.outputs import said
from tfx_pipeline.evaluation.scorecard import alert_threshold, read_card
from tfx_pipeline.features import OUTSIDE
from tfx_pipeline.versions import newest

_BATCH = 64
# So many candidates for each event that is chosen.
_CANDIDATES = 10
# A probability that has a logarithm.
_LEAST = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Selected:
    """How many events were read, of how many templates, and where the chosen ones went."""

    events: int
    rejected: int
    templates: int
    chosen: int
    labelled: int


@dataclass(frozen=True)
class _Judged:
    """What the model says of an event: the `fields` and the `label` are as an import reads them.

    `doubt` is 0 where the model is certain, 1 where it does not know at all; `confidence` the
    probability of the label, None where there is none.
    """

    text: str
    fields: dict[str, Any]
    label: Any
    no_label: Any
    predicted: Any
    doubt: float
    confidence: float | None


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
    if config.task == "regression" and surer_than is not None:
        raise DataError("select: a regression model does not say how sure it is of a text")
    path = newest(config.push_path)
    if path is None:
        raise DataError(f"{config.push_path}: no version; run `tfx-pipeline run` first")
    found = list(read_unlabelled(config, files))
    events = [event for event in found if isinstance(event, Unlabelled)]
    if not events:
        raise DataError("select: the files hold no events")
    kinds = list({template(event.text): event for event in events}.values())
    card = read_card(path)
    answering = Answering(path, card)
    texts = [event.text for event in kinds]
    answers = answering.ask("serving_default", texts, _BATCH)
    judged = [
        _judged(config, card, event, answer) for event, answer in zip(kinds, answers, strict=True)
    ]
    doubt = np.array([one.doubt for one in judged])
    candidates = np.argsort(-doubt, kind="stable")[: _CANDIDATES * count]
    embeddings = answering.ask("embed", [texts[place] for place in candidates], _BATCH)
    vectors = np.array([one["embedding"] for one in embeddings], np.float64)
    chosen = [int(candidates[place]) for place in spread_out(vectors, doubt[candidates], count)]
    _write(review, config, [(judged[place], judged[place].no_label) for place in chosen])
    sure: list[_Judged] = []
    if surer_than is not None and labelled is not None:
        sure = [
            one
            for number, one in enumerate(judged)
            if number not in set(chosen) and (one.confidence or 0.0) >= surer_than
        ]
        _write(labelled, config, [(one, one.label) for one in sure])
    return Selected(len(events), len(found) - len(events), len(kinds), len(chosen), len(sure))


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


def _judged(
    config: PipelineConfig, card: dict[str, Any], event: Unlabelled, answer: dict[str, Any]
) -> _Judged:
    if card["task"] == "token":
        return _tagged(config, card, event, answer)
    found = said(card, answer)
    sure = found.get("score")
    label: Any = found["predicted"]
    if card["task"] == "anomaly" and label != "anomaly":
        label, sure = config.data.normal[0], 1.0 - found["score"]
    return _Judged(
        text=event.text,
        fields=dict(event.row.fields),
        label=label,
        no_label="",
        predicted={"predicted": found["predicted"], "score": found.get("score")},
        doubt=_doubt(card, found),
        confidence=sure,
    )


def _doubt(card: dict[str, Any], answer: dict[str, Any]) -> float:
    """Return 1 where two labels are equally likely, 0 where one is certain; 1 for a number."""
    if card["task"] == "regression":
        return 1.0
    if card["task"] == "anomaly":
        threshold = alert_threshold(card)
        return 1.0 - abs(answer["score"] - threshold) / max(threshold, 1.0 - threshold)
    first, second = (score for _, score in answer["top"][:2])
    return 1.0 - (first - second)


def _tagged(
    config: PipelineConfig, card: dict[str, Any], event: Unlabelled, answer: dict[str, Any]
) -> _Judged:
    """Give each token the tag of the first unit in it, and doubt the text by all of them.

    The doubt is that of the mean tag, as a geometric mean, which does not grow with the length of
    the text (MNLP, Shen et al. 2018); the label is as sure as its least sure tag.
    """
    length = int(answer["length"])
    scores = np.maximum(answer["score"][:length].astype(np.float64), _LEAST)
    starts = answer["begin"][:length].tolist()
    tags = [tag.decode("utf-8") for tag in answer["tag"][:length]]
    whole = event.text.encode("utf-8")
    tokens, given = event.tokens, config.data.tokens in event.row.fields
    if not given:
        ends = answer["end"][:length].tolist()
        tokens = tuple(
            whole[begin:end].decode("utf-8", "replace")
            for begin, end in zip(starts, ends, strict=True)
        )
        placed = tags
    else:
        sizes = np.array([len(token.encode("utf-8")) + 1 for token in tokens])
        token_of = np.searchsorted(np.cumsum(sizes), starts, side="right")
        first = dict(zip(token_of[::-1].tolist(), tags[::-1], strict=True))
        placed = [first.get(number, OUTSIDE) for number in range(len(tokens))]
    least = float(scores.min()) if length else 0.0
    return _Judged(
        text=event.text,
        fields={**event.row.fields, config.data.tokens: list(tokens)},
        label=placed,
        no_label=[""] * len(tokens),
        predicted={**said(card, answer), "score": round(least, 6)},
        doubt=1.0 - float(np.exp(np.log(scores).mean())) if length else 0.0,
        confidence=least,
    )


def _write(path: Path, config: PipelineConfig, found: Sequence[tuple[_Judged, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for one, label in found:
            values = {**one.fields, config.data.label: label, "model": one.predicted}
            file.write(json.dumps(values, ensure_ascii=False) + "\n")
