"""A linear model of words and word pairs beside the encoder: two views of a text, and one answer.

What either makes of the few templates it has seen does not hold for all others, and they err on
different ones. Of several labels the answer is the sum of the log-odds (a logarithmic opinion
pool, Genest & Zidek 1986). An anomaly is what both call one: the lesser of their log-odds counts,
each put on the scale of held-out events first, so that neither is surer than it has reason to be.

The linear part is logistic regression on hashed words (Weinberger et al. 2009) weighted by
TF-IDF; it lies in the graph as a layer.

Words are put together again from their pieces. Punctuation is left out, and one number is like
another: both say more of the template that an event came from than of what it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline.model.word_shapes import unpack

_BUCKETS = 1 << 16
_LONGEST = 2
_MIX = 1_000_003
_MODULUS = (1 << 31) - 1
# BERT knows no word of more characters, and so of more pieces.
_PIECES = 100
_POWERS = [pow(_MIX, place, _MODULUS) for place in range(_PIECES)]
_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
# As weak a prior as the rarest of labels bears.
_C = 3.0


@keras.saving.register_keras_serializable(package="livebert")
class WideLogits(keras.layers.Layer):
    """Logits float32[n, k] of int32[n, T] word pieces; all 0 until `fit`.

    Its weights are no part of gradient descent.
    """

    def __init__(self, outputs: int, pieces: Sequence[str], **options: Any) -> None:
        super().__init__(**{**options, "trainable": False})
        self.outputs = outputs
        self._pieces = pieces
        self._vocabulary = Vocabulary.of(pieces)
        zeros = {"initializer": "zeros", "trainable": False}
        self.rarity = self.add_weight(shape=(_BUCKETS,), name="rarity", **zeros)
        self.kernel = self.add_weight(shape=(_BUCKETS, self.outputs), name="kernel", **zeros)
        self.bias = self.add_weight(shape=(self.outputs,), name="bias", **zeros)
        self.built = True

    def call(self, token_ids: Any, padding_mask: Any) -> Any:
        """Return the logits."""
        grams = grams_of(words_of(token_ids, padding_mask, self._vocabulary))
        texts, most = tf.unstack(tf.shape(grams.buckets, tf.int64))
        rows = tf.repeat(tf.range(texts), most)
        columns = tf.cast(tf.reshape(grams.buckets, [-1]), tf.int64)
        weights = tf.SparseTensor(
            tf.stack([rows, columns], axis=1),
            tf.reshape(self._weighed(grams), [-1]),
            [texts, _BUCKETS],
        )
        return tf.sparse.sparse_dense_matmul(weights, self.kernel) + self.bias

    def shares(self, token_ids: Any, padding_mask: Any) -> Any:
        """Return what each word piece adds to the logits, float32[n, T, k].

        What a word or a pair adds is parted evenly among its words, and what a word does among its
        pieces; with the bias they add up to the logits.
        """
        words = words_of(token_ids, padding_mask, self._vocabulary)
        grams = grams_of(words)
        width = tf.shape(words.hashed)[1]
        added = self._weighed(grams)[..., None] * tf.gather(self.kernel, grams.buckets)
        total = tf.zeros([tf.shape(token_ids)[0], width, self.outputs])
        for size in range(1, _LONGEST + 1):
            own = added[:, (size - 1) * width : size * width] / size
            for later in range(size):
                total += tf.pad(own, [[0, 0], [later, 0], [0, 0]])[:, :width]
        # -1, no word, is none of the columns: its row of the one-hot matrix is 0.
        belongs = tf.one_hot(words.number, width)
        among = tf.math.divide_no_nan(belongs, tf.reduce_sum(belongs, axis=1, keepdims=True))
        return tf.matmul(among, total)

    def _weighed(self, grams: Grams) -> tf.Tensor:
        """Return what each place adds of its n-gram's TF-IDF, float32[n, G]; 0 where there is none.

        A text's vector of all buckets has length 1; what stands in it twice adds half each time.
        """
        counts = tf.cast(tf.maximum(grams.counts, 1), tf.float32)
        whole = (1.0 + tf.math.log(counts)) * tf.gather(self.rarity, grams.buckets)
        whole = tf.where(grams.within, whole, 0.0)
        square = tf.reduce_sum(tf.square(whole) / counts, axis=1, keepdims=True)
        return whole / counts * tf.math.rsqrt(tf.maximum(square, 1e-12))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "outputs": self.outputs, "pieces": list(self._pieces)}

    def fit(
        self,
        batches: Iterable[tuple[dict[str, tf.Tensor], Any, Any]],
        labels: int,
    ) -> None:
        """Fit to batches of (inputs, label ids int64[n], weights); one logit means two labels."""
        from scipy import sparse
        from sklearn.linear_model import LogisticRegression

        counts, ids, weights = [], [], []
        for inputs, target, weight in batches:
            words = words_of(inputs["token_ids"], inputs["padding_mask"], self._vocabulary)
            grams = grams_of(words)
            within, buckets = grams.within.numpy(), grams.buckets.numpy()
            # Those of one place are added up.
            shape = len(within), _BUCKETS
            each = (np.ones(within.sum()), (within.nonzero()[0], buckets[within]))
            counts.append(sparse.csr_matrix(each, shape))
            ids.append(np.asarray(target))
            weights.append(np.asarray(weight))
        rows, truth = sparse.vstack(counts).tocsr(), np.concatenate(ids)
        if len(np.unique(truth)) < 2:
            return
        occurs = np.asarray((rows > 0).sum(axis=0)).ravel()
        rarity = np.log((1.0 + rows.shape[0]) / (1.0 + occurs)) + 1.0
        rows.data = 1.0 + np.log(rows.data)
        rows = rows.multiply(rarity[None]).tocsr()
        length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows = sparse.diags(1.0 / np.maximum(length, 1e-12)) @ rows
        model = LogisticRegression(C=_C, max_iter=1000, class_weight="balanced")
        model.fit(rows, truth, np.concatenate(weights))
        kernel, bias = _outputs(model, labels, self.outputs)
        self.rarity.assign(rarity)
        self.kernel.assign(kernel)
        self.bias.assign(bias)


@keras.saving.register_keras_serializable(package="livebert")
class Lesser(keras.layers.Layer):
    """The lesser of two log-odds float32[n, 2], each scaled by its slope and offset.

    Until `scale` they are taken as they are; the weights are no part of gradient descent.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "trainable": False})
        self.slopes = self.add_weight(shape=(2,), name="slopes", initializer="ones")
        self.offsets = self.add_weight(shape=(2,), name="offsets", initializer="zeros")
        self.built = True

    def call(self, parts: Any) -> Any:
        """Return the lesser, float32[n, 1]."""
        return tf.reduce_min(self.scaled(parts), axis=1, keepdims=True)

    def scaled(self, parts: Any) -> Any:
        """Return both, float32[n, 2]."""
        return parts * self.slopes + self.offsets

    def scale(self, slopes: npt.NDArray[np.float64], offsets: npt.NDArray[np.float64]) -> None:
        """Set what the parts are multiplied with, and what is then added; each of 2."""
        self.slopes.assign(slopes)
        self.offsets.assign(offsets)


@dataclass(frozen=True)
class Vocabulary:
    """What the linear part needs to know of each word piece.

    `begins` bool[V] says whether a word begins with it, `spoken` bool[V] whether it has a letter
    or a digit and stands for text; `like` int32[V] is the id of the piece that it counts as.
    """

    begins: npt.NDArray[np.bool_]
    spoken: npt.NDArray[np.bool_]
    like: npt.NDArray[np.int32]

    @classmethod
    def of(cls, pieces: Sequence[str]) -> Vocabulary:
        """Look at word pieces, in the order of their ids."""
        alike = [re.sub(r"\d+", "0", piece) for piece in pieces]
        first: dict[str, int] = {}
        for number, piece in enumerate(alike):
            first.setdefault(piece, number)
        return cls(
            np.array([not piece.startswith("##") for piece in pieces]),
            np.array([re.search(r"[^\W_]", p) is not None and p not in _SPECIAL for p in pieces]),
            np.array([first[piece] for piece in alike], np.int32),
        )


@dataclass(frozen=True)
class Words:
    """The words of a batch: `hashed` int64[n, W], `within` bool[n, W] where there is one.

    `number` int32[n, T] is the word that a piece belongs to, -1 for none.
    """

    hashed: tf.Tensor
    within: tf.Tensor
    number: tf.Tensor


def words_of(token_ids: tf.Tensor, padding_mask: tf.Tensor, vocabulary: Vocabulary) -> Words:
    """Put int32[n, T] word pieces together."""
    ids = unpack(token_ids)[0]
    spoken = tf.logical_and(tf.cast(padding_mask, tf.bool), tf.gather(vocabulary.spoken, ids))
    begins = tf.logical_and(spoken, tf.gather(vocabulary.begins, ids))
    number = tf.where(spoken, tf.cumsum(tf.cast(begins, tf.int32), axis=1) - 1, -1)
    counts = tf.reduce_max(number, axis=1, keepdims=True) + 1
    rows, width = tf.shape(ids)[0], tf.maximum(tf.reduce_max(counts), 1)
    # The words of all texts in one row, where -1 is none and left out of a sum.
    word = tf.reshape(tf.where(number < 0, -1, tf.range(rows)[:, None] * width + number), [-1])
    place = tf.reshape(tf.zeros_like(ids) + tf.range(tf.shape(ids)[1]), [-1])
    first = tf.math.unsorted_segment_min(place, word, rows * width)
    inside = place - tf.gather(first, tf.maximum(word, 0))
    power = tf.gather(tf.constant(_POWERS, tf.int64), tf.clip_by_value(inside, 0, _PIECES - 1))
    like = tf.reshape(tf.cast(tf.gather(vocabulary.like, ids), tf.int64), [-1])
    mixed = tf.math.unsorted_segment_sum((like + 1) * power % _MODULUS, word, rows * width)
    hashed = tf.reshape(mixed % _MODULUS, [rows, width])
    return Words(hashed, tf.range(width) < counts, number)


@dataclass(frozen=True)
class Grams:
    """The words and word pairs of a batch, all words first, each at the word that it begins at.

    `buckets` int32[n, G] are hashed, `within` bool[n, G] says where there is one, and `counts`
    int32[n, G] how many of its bucket the text has.
    """

    buckets: tf.Tensor
    within: tf.Tensor
    counts: tf.Tensor


def grams_of(words: Words) -> Grams:
    """Find words and word pairs in hashed buckets, and count them.

    A batch has as many places as its texts have words, and never a row of all buckets a text.
    """
    width = tf.shape(words.hashed)[1]
    mixed = tf.zeros_like(words.hashed)
    hashed, inside = [], []
    for size in range(1, _LONGEST + 1):
        # The n-gram that begins at each word; past the end of the text there is none.
        past = [[0, 0], [0, tf.minimum(size - 1, width)]]
        later = tf.pad(words.hashed[:, size - 1 :] + 1, past)
        mixed = (mixed * _MIX + later) % _MODULUS
        hashed.append(tf.cast(mixed % _BUCKETS, tf.int32))
        inside.append(tf.pad(words.within[:, size - 1 :], past))
    buckets, within = tf.concat(hashed, axis=1), tf.concat(inside, axis=1)
    # What is none sorts after all that is.
    placed = tf.where(within, buckets, _BUCKETS)
    ordered = tf.sort(placed, axis=1)
    first, last = (tf.searchsorted(ordered, placed, side) for side in ("left", "right"))
    return Grams(buckets, within, last - first)


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
