"""How unlike the training texts a text is.

The novelty of a text is 1 - the cosine similarity of its embedding to the nearest of a set
of reference embeddings drawn from the training texts: 0 for a text that was seen, towards 1
and above for one that resembles nothing seen. Nearest-neighbour distance is the common
baseline of out-of-distribution detection (Sun et al. 2022).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

REFERENCES = 2048


def choose_references(
    embeddings: npt.NDArray[np.float32], seed: int, limit: int = REFERENCES
) -> npt.NDArray[np.float32]:
    """Return at most `limit` distinct rows of L2-normalised embeddings, float32[m, d]."""
    distinct = np.unique(embeddings.round(4), axis=0)
    if len(distinct) > limit:
        chosen = np.random.default_rng(seed).choice(len(distinct), limit, replace=False)
        distinct = distinct[np.sort(chosen)]
    return distinct / np.linalg.norm(distinct, axis=1, keepdims=True)


def novelty(embedding: tf.Tensor, references: tf.Tensor) -> tf.Tensor:
    """Return float32[n] for L2-normalised embeddings float32[n, d] and references float32[m, d]."""
    nearest = tf.reduce_max(tf.matmul(embedding, references, transpose_b=True), axis=1)
    return tf.maximum(1.0 - nearest, 0.0)
