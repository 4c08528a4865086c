"""A linear model of word-piece n-grams beside the encoder: two views, their log-odds added.

What an encoder makes of few templates it has seen does not hold for others as surely as a linear
model of their words does, and the reverse; the sum of log-odds (a logarithmic opinion pool,
Genest & Zidek 1986) is as sure as both are. The linear part is logistic regression on hashed
n-grams (Weinberger et al. 2009) weighted by TF-IDF; it lies in the graph as a layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline.model.word_shapes import unpack

_BUCKETS = 1 << 16
_LONGEST = 3
_MIX = 1_000_003
_MODULUS = (1 << 31) - 1
# As weak a prior as the rarest of labels bears.
_C = 3.0


@keras.saving.register_keras_serializable(package="livebert")
class WideLogits(keras.layers.Layer):
    """Logits float32[n, k] of int32[n, T] word pieces; all 0 until `fit`.

    Its weights are no part of gradient descent.
    """

    def __init__(self, outputs: int, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.outputs = outputs
        zeros = {"initializer": "zeros", "trainable": False}
        self.rarity = self.add_weight(shape=(_BUCKETS,), name="rarity", **zeros)
        self.kernel = self.add_weight(shape=(_BUCKETS, self.outputs), name="kernel", **zeros)
        self.bias = self.add_weight(shape=(self.outputs,), name="bias", **zeros)
        self.built = True

    def call(self, token_ids: Any, padding_mask: Any) -> Any:
        """Return the logits."""
        return tf.matmul(self._weighed(ngrams(token_ids, padding_mask)), self.kernel) + self.bias

    def shares(self, token_ids: Any, padding_mask: Any) -> Any:
        """Return what each word piece adds to the logits, float32[n, T, k].

        What an n-gram adds is parted evenly among its pieces; with the bias they add up to the
        logits.
        """
        counts = ngrams(token_ids, padding_mask)
        each = tf.math.divide_no_nan(self._weighed(counts), counts)
        length = tf.shape(token_ids)[1]
        total = tf.zeros([tf.shape(token_ids)[0], length, self.outputs])
        for size, (buckets, within) in enumerate(_placed(token_ids, padding_mask), start=1):
            weight = tf.where(within, tf.gather(each, buckets, batch_dims=1) / size, 0.0)
            added = weight[..., None] * tf.gather(self.kernel, buckets)
            for later in range(size):
                total += tf.pad(added, [[0, 0], [later, 0], [0, 0]])[:, :length]
        return total

    def _weighed(self, counts: tf.Tensor) -> tf.Tensor:
        weighed = tf.where(counts > 0, 1.0 + tf.math.log(tf.maximum(counts, 1.0)), 0.0)
        return tf.math.l2_normalize(weighed * self.rarity, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "outputs": self.outputs}

    def fit(
        self,
        batches: Iterable[tuple[dict[str, tf.Tensor], Any, Any]],
        labels: int,
    ) -> None:
        """Fit to batches of (inputs, label ids int64[n], weights); one logit means two labels."""
        from scipy import sparse
        from sklearn.linear_model import LogisticRegression

        counts, ids = [], []
        for inputs, target, _ in batches:
            found = ngrams(inputs["token_ids"], inputs["padding_mask"]).numpy()
            counts.append(sparse.csr_matrix(found))
            ids.append(np.asarray(target))
        rows, truth = sparse.vstack(counts).tocsr(), np.concatenate(ids)
        if len(np.unique(truth)) < 2:
            return
        occurs = np.asarray((rows > 0).sum(axis=0)).ravel()
        rarity = np.log((1.0 + rows.shape[0]) / (1.0 + occurs)) + 1.0
        rows.data = 1.0 + np.log(rows.data)
        rows = rows.multiply(rarity[None]).tocsr()
        length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows = sparse.diags(1.0 / np.maximum(length, 1e-12)) @ rows
        model = LogisticRegression(C=_C, max_iter=1000, class_weight="balanced").fit(rows, truth)
        kernel, bias = _outputs(model, labels, self.outputs)
        self.rarity.assign(rarity)
        self.kernel.assign(kernel)
        self.bias.assign(bias)


def ngrams(token_ids: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
    """Count the 1- to 3-grams of word pieces in hashed buckets; float32[n, buckets]."""
    buckets, within = zip(*_placed(token_ids, padding_mask), strict=True)
    values = tf.ragged.boolean_mask(tf.concat(buckets, axis=1), tf.concat(within, axis=1))
    counts = tf.math.bincount(
        values, minlength=_BUCKETS, maxlength=_BUCKETS, axis=-1, dtype=tf.float32
    )
    return tf.ensure_shape(counts, [None, _BUCKETS])


def _placed(token_ids: tf.Tensor, padding_mask: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Return for each size the buckets int32[n, T] of the n-grams that begin at each place.

    Beside them bool[n, T] says which of them end inside the text.
    """
    known = tf.cast(padding_mask, tf.bool)
    ids = tf.cast(unpack(token_ids)[0], tf.int64) + 1
    length = tf.shape(ids)[1]
    hashed = tf.zeros_like(ids)
    found = []
    for size in range(1, _LONGEST + 1):
        # The n-gram that begins at each place; past the end of the text there is none.
        later = tf.pad(ids[:, size - 1 :], [[0, 0], [0, tf.minimum(size - 1, length)]])
        within = tf.pad(known[:, size - 1 :], [[0, 0], [0, tf.minimum(size - 1, length)]])
        hashed = (hashed * _MIX + later) % _MODULUS
        found.append((tf.cast(hashed % _BUCKETS, tf.int32), within))
    return found


def _outputs(
    model: Any, labels: int, outputs: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return kernel [buckets, k] and bias [k]; a label that no text has keeps a low logit."""
    coefficients, intercepts = model.coef_, model.intercept_
    if outputs == 1:
        return coefficients.T.astype(np.float32), intercepts.astype(np.float32)
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    kernel = np.zeros((_BUCKETS, labels), np.float32)
    bias = np.full(labels, intercepts.min(), np.float32)
    kernel[:, model.classes_] = coefficients.T
    bias[model.classes_] = intercepts
    return kernel, bias
