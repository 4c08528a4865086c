"""Masked language modelling: an encoder guesses the word pieces that were hidden from it.

As BERT was pretrained (Devlin et al. 2019): of the pieces to be guessed 80 % become [MASK], 10 %
some other piece, and 10 % stay; they are drawn anew in each epoch (Liu et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

_HIDDEN, _CHANGED = 0.8, 0.1


@dataclass(frozen=True)
class Masking:
    """Which pieces are hidden, and how.

    `share` of the pieces of each text, one at least; `mask` is the id of [MASK], `vocabulary` how
    many pieces there are, `special` the ids that are never hidden.
    """

    share: float
    mask: int
    vocabulary: int
    special: tuple[int, ...]

    def __call__(self, batch: dict[str, Any]) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Return the encoder's inputs int32[n, T] with `places` int32[m], and the ids int32[m].

        `places` are those of the pieces to be guessed among the n T.
        """
        inputs = batch["inputs"]
        ids = inputs["token_ids"]
        special = tf.reduce_any(tf.equal(ids[..., None], tf.constant(self.special)), axis=-1)
        known = tf.cast(inputs["padding_mask"], tf.bool)
        # The order in which a text's pieces would be hidden; never those above 1.
        order = tf.where(tf.logical_or(special, ~known), 2.0, tf.random.uniform(tf.shape(ids)))
        first = tf.minimum(tf.reduce_min(order, axis=1, keepdims=True), 1.0)
        guessed = tf.logical_or(order < self.share, order <= first)
        how = tf.random.uniform(tf.shape(ids))
        others = tf.random.uniform(tf.shape(ids), maxval=self.vocabulary, dtype=ids.dtype)
        shown = tf.where(how < _HIDDEN, self.mask, tf.where(how < _HIDDEN + _CHANGED, others, ids))
        places = tf.where(tf.reshape(guessed, [-1]))[:, 0]
        return (
            {
                **inputs,
                "token_ids": tf.where(guessed, shown, ids),
                "places": tf.cast(places, tf.int32),
            },
            tf.gather(tf.reshape(ids, [-1]), places),
        )


@keras.saving.register_keras_serializable(package="livebert")
class MaskedLanguageModel(keras.Model):
    """A backbone and the head that guesses; its answer is the logits float32[m, pieces].

    The weights of the guess are those of the word embeddings, as in BERT.
    """

    def __init__(self, backbone: Any) -> None:
        super().__init__(name="masked_language_model")
        import keras_hub

        self.backbone = backbone
        # A DistilBERT embeds places with the words.
        embedding = getattr(backbone.token_embedding, "token_embedding", backbone.token_embedding)
        self._head = keras_hub.layers.MaskedLMHead(
            token_embedding=embedding, intermediate_activation="gelu", dtype="float32"
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the logits of each of `places`."""
        given = {name: inputs[name] for name in self.backbone.input}
        output = self.backbone(given, training=training)
        pieces = output["sequence_output"] if isinstance(output, dict) else output
        flat = tf.reshape(tf.cast(pieces, tf.float32), [1, -1, pieces.shape[-1]])
        return self._head(flat, inputs["places"][None])[0]
