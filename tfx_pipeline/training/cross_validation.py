"""Epochs, calibration and threshold chosen on texts whose templates training has not seen.

Where events repeat themselves, as log lines do, a split holds the templates of the one before,
and the model that learned them by heart looks best. Here each template is in one fold alone, so
that every event is answered by a model that has seen none like it (grouped cross-validation).
"""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline import card, features
from tfx_pipeline.evaluation.baselines import template
from tfx_pipeline.model.calibration import Calibration
from tfx_pipeline.model.graph import compiled
from tfx_pipeline.progress import log
from tfx_pipeline.training.batches import TARGET
from tfx_pipeline.training.fine_tuning import FineTuning
from tfx_pipeline.training.pooling import agreed
from tfx_pipeline.training.scoring import Scored, joined, score
from tfx_pipeline.training.watching import Watch

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """What the folds found: how many epochs are best, and each event as a stranger saw it then."""

    epochs: int
    scored: Scored


def fold_of(texts: Sequence[str], groups: Ids, count: int, seed: int) -> Ids:
    """Return the fold of each text, int64[n] below `count`.

    Texts of one template share a fold. The templates of each of `groups` int64[n] (a template
    counts to its highest) are dealt out from the commonest to the rarest, each to the fold that
    has the fewest texts of its group.
    """
    names = [template(text) for text in texts]
    _, number, sizes = np.unique(names, return_inverse=True, return_counts=True)
    group = np.full(number.max() + 1, groups.min())
    np.maximum.at(group, number, groups)
    random = np.random.default_rng(seed)
    dealt = np.zeros(len(group), np.int64)
    for kind in np.unique(group):
        templates = random.permutation(np.flatnonzero(group == kind))
        has = np.zeros(count, np.int64)
        for chosen in templates[np.argsort(-sizes[templates], kind="stable")]:
            dealt[chosen] = np.argmin(has)
            has[dealt[chosen]] += sizes[chosen]
    return dealt[number]


def folds_of(tuning: FineTuning, examples: tf.data.Dataset) -> Ids:
    """Return the fold of each example, in their order."""
    rows = list(examples.as_numpy_iterator())
    texts = [row[features.TEXT].decode("utf-8", "replace") for row in rows]
    if tuning.config.task in ("anomaly", "classification"):
        groups = np.array([row[TARGET] for row in rows], np.int64)
    else:
        groups = np.zeros(len(rows), np.int64)
    training = tuning.config.training
    return fold_of(texts, groups, training.folds, training.seed)


def part(examples: tf.data.Dataset, chosen: npt.NDArray[np.bool_]) -> tf.data.Dataset:
    """Return the chosen examples."""
    marked = tf.data.Dataset.zip((examples, tf.data.Dataset.from_tensor_slices(chosen)))
    return marked.filter(lambda _, keep: keep).map(lambda example, _: example)


def cross_validate(
    tuning: FineTuning, examples: tf.data.Dataset, folds: Ids, watch: Watch
) -> Chosen:
    """Train on all folds but one, for each; the best epoch is that of the pooled answers.

    With checkpoints, a killed training goes on after the last whole fold.
    """
    config = tuning.config
    scored: list[list[Scored]] = []
    for fold in range(config.training.folds):
        held_out = folds == fold
        if held_out.any() and not held_out.all():
            log.info("  fold %d/%d, %d held out", fold + 1, config.training.folds, held_out.sum())
            scored.append(_fold(tuning, examples, held_out, fold, watch))
            pooled = [agreed(joined(epoch)) for epoch in zip(*scored, strict=True)]
            figures = [main_metric(tuning, epoch) for epoch in pooled]
            best = int(np.nanargmax(figures)) if np.isfinite(figures).any() else len(figures) - 1
            watch.reached(figures[best], fold + 1, config.training.folds)
        gc.collect()
    log.info(
        "  %s on the folds by epoch: %s",
        features.MAIN_METRIC[config.task],
        ", ".join(f"{figure:.4f}" for figure in figures),
    )
    watch.pooled(figures)
    return Chosen(best + 1, pooled[best])


def main_metric(tuning: FineTuning, scored: Scored) -> float:
    """Return the figure that stands for the task, of held-out events."""
    config = tuning.config
    figures = card.measure(config.task, tuning.labels, Calibration(), scored)
    return figures[features.MAIN_METRIC[config.task]]


def _fold(
    tuning: FineTuning,
    examples: tf.data.Dataset,
    held_out: npt.NDArray[np.bool_],
    fold: int,
    watch: Watch,
) -> list[Scored]:
    """Return the held-out events as scored after each epoch."""
    kept = tuning.checkpoints and tuning.checkpoints / f"fold-{fold}"
    if kept and (kept / _DONE).is_file():
        log.info("  fold %d was trained before the interruption", fold + 1)
        return _read(kept)
    strangers = part(examples, held_out)
    recorder = _Recorder(strangers, 4 * tuning.config.training.batch_tokens)
    FineTuning(tuning.config, tuning.encoder, tuning.labels).run(
        part(examples, ~held_out), None, [recorder, *watch.callbacks(by_epoch=False)]
    )
    if kept:
        _write(kept, recorder.scored)
    return recorder.scored


class _Recorder(keras.callbacks.Callback):
    """Scores the held-out examples after each epoch."""

    def __init__(self, held_out: tf.data.Dataset, batch_tokens: int) -> None:
        super().__init__()
        self._held_out = held_out
        self._batch_tokens = batch_tokens
        self.scored: list[Scored] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Score."""
        run = compiled(self.model.network)
        self.scored.append(score(run, self._held_out, self._batch_tokens))


_DONE = "done.json"


def _write(folder: Path, scored: Sequence[Scored]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for epoch, found in enumerate(scored):
        np.savez(
            folder / f"{epoch}.npz",
            logits=found.logits,
            pooled=found.pooled,
            targets=found.targets,
            counts=found.counts,
            texts=np.array(found.texts),
            **({} if found.parts is None else {"parts": found.parts}),
        )
    # Written last: it says that the others are whole.
    (folder / _DONE).write_text(json.dumps({"epochs": len(scored)}), encoding="utf-8")


def _read(folder: Path) -> list[Scored]:
    epochs = json.loads((folder / _DONE).read_text("utf-8"))["epochs"]
    found = []
    for epoch in range(epochs):
        with np.load(folder / f"{epoch}.npz") as kept:
            arrays = {name: kept[name] for name in ("logits", "pooled", "targets", "counts")}
            both = kept.get("parts")
            found.append(Scored(**arrays, texts=kept["texts"].tolist(), parts=both))
    return found
