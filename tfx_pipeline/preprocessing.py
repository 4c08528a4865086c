"""Raw text to word pieces, inside the graph: the same code in Transform, training and serving."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_text as tf_text
import tensorflow_transform as tft

from tfx_pipeline import features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.model.encoder import find_encoder, load_vocabulary
from tfx_pipeline.text import CleaningRule


class Tokenizer:
    """Text to word-piece ids as BERT wants them: [CLS] pieces… [SEP], never padded here.

    Args:
        vocabulary: word pieces in the order of their ids.
        lowercase: whether text is lower-cased and stripped of accents first.
        max_length: word pieces at most, [CLS] and [SEP] included; longer texts are cut.
        cleaning: rules applied to the text before anything else.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        lowercase: bool,
        max_length: int,
        cleaning: Sequence[CleaningRule],
    ) -> None:
        vocabulary = tuple(vocabulary)
        pieces, normalizer = _compiled(vocabulary, lowercase)
        self._start = vocabulary.index("[CLS]")
        self._end = vocabulary.index("[SEP]")
        self._room = max_length - 2
        self._cleaning = tuple(cleaning)
        self._pieces = tf_text.FastBertTokenizer(
            vocab=(),
            token_out_type=tf.int32,
            fast_wordpiece_model_buffer=tf.constant(pieces),
            fast_bert_normalizer_model_buffer=tf.constant(normalizer),
        )

    @classmethod
    def of(cls, config: PipelineConfig) -> Tokenizer:
        """Build the tokenizer of a model's encoder."""
        vocabulary, lowercase = load_vocabulary(find_encoder(config.encoder))
        return cls(vocabulary, lowercase, config.encoder.max_length, config.text_cleaning)

    def clean(self, text: tf.Tensor) -> tf.Tensor:
        """Replace invalid UTF-8 and apply the cleaning rules; string[n] → string[n]."""
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        for rule in self._cleaning:
            text = tf.strings.regex_replace(text, rule.pattern, rule.replacement)
        return text

    def __call__(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Tokenize string[n] to ragged int32[n, (pieces)]."""
        pieces = self._pieces.tokenize(self.clean(text))[:, : self._room]
        rows = pieces.nrows()
        start = tf.fill([rows, 1], self._start)
        end = tf.fill([rows, 1], self._end)
        return tf.concat([start, pieces, end], axis=1)


@functools.lru_cache(maxsize=2)
def _compiled(
    vocabulary: tuple[str, ...], lowercase: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Compile a vocabulary once a process: it takes seconds, and Transform traces several times."""
    with tf.init_scope():
        tokenizer = tf_text.FastBertTokenizer(
            vocab=list(vocabulary),
            unknown_token="[UNK]",  # noqa: S106 - a word piece, not a secret
            lower_case_nfd_strip_accents=lowercase,
        )
        # tensorflow_text takes these buffers by a public argument but gives them by no public name.
        pieces = tokenizer._fast_wordpiece_tokenizer._model.numpy()
        return pieces, tokenizer._fast_bert_normalizer._model.numpy()


def encoder_inputs(token_ids: tf.RaggedTensor) -> dict[str, tf.Tensor]:
    """Pad a batch to its own longest row; int32[n, T] for each input of a BertBackbone."""
    padded = token_ids.to_tensor()
    mask = tf.sequence_mask(token_ids.row_lengths(), tf.shape(padded)[1], dtype=tf.int32)
    return {"token_ids": padded, "padding_mask": mask, "segment_ids": tf.zeros_like(padded)}


def preprocessing_fn(
    inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]
) -> dict[str, Any]:
    """Transform's entry point: word-piece ids, label id and, where given, weight.

    The raw text passes through, so that the Trainer can put trivial baselines beside its model.
    """
    config = PipelineConfig.model_validate_json(custom_config["config"])
    text = tf.reshape(inputs[features.TEXT], [-1])
    ids = tf.cast(Tokenizer.of(config)(text), tf.int64)
    outputs: dict[str, Any] = {
        features.TOKEN_IDS: ids.to_sparse(),
        features.TEXT: text,
        features.LABEL_ID: _label_ids(tf.reshape(inputs[features.LABEL], [-1]), config),
    }
    if config.data.weight is not None:
        outputs[features.WEIGHT] = tf.reshape(inputs[features.WEIGHT], [-1])
    return outputs


def _label_ids(label: tf.Tensor, config: PipelineConfig) -> tf.Tensor:
    """Number the labels; int64[n], -1 for a label that does not occur in training."""
    if config.task == "anomaly":
        return tf.cast(tf.equal(label, features.ANOMALY_LABELS[1]), tf.int64)
    return tft.compute_and_apply_vocabulary(label, vocab_filename=features.LABEL_VOCABULARY)
