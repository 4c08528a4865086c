"""A SavedModel's answers to events, as the rows of a predictions file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the tokenizer's ops

from tfx_pipeline import features
from tfx_pipeline.evaluation.baselines import template
from tfx_pipeline.evaluation.events import Event
from tfx_pipeline.evaluation.outputs import said
from tfx_pipeline.evaluation.predictions import Row

EXPLAIN = "explain"

_BATCH = 64
_EXPLAIN_BATCH = 4


class Answering:
    """A loaded SavedModel that is asked as a server would ask it.

    Args:
        path: the SavedModel's directory.
        card: its model card.
    """

    def __init__(self, path: str, card: dict[str, Any]) -> None:
        self._model = tf.saved_model.load(path)
        self._card = card

    def rows(self, events: Sequence[Event], known: Collection[str]) -> list[Row]:
        """Answer every event; `known` are the templates that occur in training."""
        answers = self.ask(features.SERVING_DEFAULT, [event.text for event in events], _BATCH)
        return [
            {
                "event_id": event.event_id,
                "time": event.time,
                "text": event.text,
                "features": event.features,
                "truth": event.truth,
                **said(self._card, answer),
                **self._seen(event, known),
            }
            for event, answer in zip(events, answers, strict=True)
        ]

    def _seen(self, event: Event, known: Collection[str]) -> Row:
        if self._card["task"] != "anomaly":
            return {}
        return {"unseen": template(event.text) not in known}

    def explain(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Return each text's pieces of text with their attributions; [] without `explain`."""
        if EXPLAIN not in self._model.signatures:
            return [[] for _ in texts]
        return [
            _attributions(text, answer)
            for text, answer in zip(texts, self.ask(EXPLAIN, texts, _EXPLAIN_BATCH), strict=True)
        ]

    def ask(self, signature: str, texts: Sequence[str], batch: int) -> list[dict[str, Any]]:
        """Run a text signature, sorted by length; one dict of arrays for each text, in order."""
        run = self._model.signatures[signature]
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        found: dict[int, dict[str, Any]] = {}
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            outputs = run(text=tf.constant([texts[row] for row in rows]))
            arrays = {name: value.numpy() for name, value in outputs.items()}
            for place, row in enumerate(rows):
                found[row] = {name: value[place] for name, value in arrays.items()}
        return [found[row] for row in range(len(texts))]


def _attributions(text: str, answer: dict[str, Any]) -> list[tuple[str, float]]:
    """Cut the text at the pieces that have an attribution; what lies between has none."""
    whole = text.encode("utf-8")
    parts: list[tuple[str, float]] = []
    position = 0
    for i in range(int(answer["length"])):
        begin, end = int(answer["begin"][i]), int(answer["end"][i])
        weight = round(float(answer["attribution"][i]), 4)
        if end <= begin or begin < position:
            # Pieces of what the cleaning put there stand at one place together.
            if parts:
                parts[-1] = (parts[-1][0], round(parts[-1][1] + weight, 4))
            continue
        if begin > position:
            parts.append((whole[position:begin].decode("utf-8", "replace"), 0.0))
        parts.append((whole[begin:end].decode("utf-8", "replace"), weight))
        position = end
    if position < len(whole):
        parts.append((whole[position:].decode("utf-8", "replace"), 0.0))
    return parts
