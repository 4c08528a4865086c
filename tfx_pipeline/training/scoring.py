"""A split as the trained model sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline import features
from tfx_pipeline.errors import DataError
from tfx_pipeline.training.batches import bucket


@dataclass(frozen=True)
class Scored:
    """A split as the trained model sees it: logits f32[n, k], pooled f32[n, d] and the truth."""

    logits: npt.NDArray[np.float32]
    pooled: npt.NDArray[np.float32]
    label_ids: npt.NDArray[np.int64]
    texts: list[str]


def compiled(model: keras.Model) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Make one graph of the model for all calls of `score`: building it takes seconds."""
    return tf.function(lambda inputs: model(inputs, training=False), reduce_retracing=True)


def score(
    run: Callable[[Any], dict[str, tf.Tensor]], examples: tf.data.Dataset, batch_tokens: int
) -> Scored:
    """Run a compiled model over a split, in batches of like length."""
    logits, pooled, ids, texts = [], [], [], []
    for batch in bucket(examples, batch_tokens):
        outputs = run(batch["inputs"])
        logits.append(outputs["logits"].numpy())
        pooled.append(outputs["pooled"].numpy())
        ids.append(batch[features.LABEL_ID].numpy())
        texts.extend(text.decode("utf-8", "replace") for text in batch[features.TEXT].numpy())
    if not texts:
        raise DataError("the eval split holds no label that the train split knows")
    return Scored(np.concatenate(logits), np.concatenate(pooled), np.concatenate(ids), texts)
