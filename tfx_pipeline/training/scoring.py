"""A split as the trained model sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline import features
from tfx_pipeline.errors import DataError
from tfx_pipeline.training.batches import TARGET, bucket


@dataclass(frozen=True)
class Scored:
    """A split as the trained model sees it, in the order of the batches.

    `logits` f32[n, k] and `targets` int64[n] or f32[n] are of texts; in a token task they are of
    the pieces that have a tag, one text after the other, and `counts` int64 says how many pieces
    each text has (1 in the other tasks). `pooled` f32[texts, d] and `texts` are of texts always.
    `parts` f32[n, 2] are an anomaly's logits of the encoder and of the words, None for one alone.
    """

    logits: npt.NDArray[np.float32]
    pooled: npt.NDArray[np.float32]
    targets: npt.NDArray[Any]
    counts: npt.NDArray[np.int64]
    texts: list[str]
    parts: npt.NDArray[np.float32] | None = None


def joined(parts: Sequence[Scored]) -> Scored:
    """Put parts that were scored apart one after the other."""
    return Scored(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("logits", "pooled", "targets", "counts")
        ),
        texts=[text for part in parts for text in part.texts],
        parts=_concatenated([part.parts for part in parts]),
    )


def _concatenated(
    parts: Sequence[npt.NDArray[np.float32] | None],
) -> npt.NDArray[np.float32] | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def score(
    run: Callable[[Any], dict[str, tf.Tensor]], examples: tf.data.Dataset, batch_tokens: int
) -> Scored:
    """Run a compiled model over a split, in batches of like length."""
    logits, pooled, targets, counts, texts, both = [], [], [], [], [], []
    for batch in bucket(examples, batch_tokens):
        outputs = run(batch["inputs"])
        target = batch[TARGET].numpy()
        # Of a token task only the pieces that have a tag.
        known = target >= 0 if target.ndim == 2 else np.ones(target.shape, bool)
        logits.append(outputs["logits"].numpy()[known])
        both.append(outputs["parts"].numpy() if "parts" in outputs else None)
        pooled.append(outputs["pooled"].numpy())
        targets.append(target[known])
        counts.append(known.sum(axis=1) if target.ndim == 2 else known.astype(np.int64))
        texts.extend(text.decode("utf-8", "replace") for text in batch[features.TEXT].numpy())
    if not texts:
        raise DataError("the eval split holds no label that the train split knows")
    return Scored(
        np.concatenate(logits),
        np.concatenate(pooled),
        np.concatenate(targets),
        np.concatenate(counts),
        texts,
        _concatenated(both),
    )
