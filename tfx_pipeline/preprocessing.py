"""Raw text to word pieces, inside the graph: the same code in Transform, training and serving."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_text as tf_text
import tensorflow_transform as tft

from tfx_pipeline import features
from tfx_pipeline.cleaning import clean, clean_with_ways
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.model import word_shapes as shapes
from tfx_pipeline.model.encoder import find_encoder, load_vocabulary
from tfx_pipeline.text import CleaningRule


@dataclass(frozen=True)
class Pieces:
    """Word pieces with their places, [CLS] and [SEP] included; each ragged [n, (pieces)].

    `ids` is int32. `word` is the bytes of each piece as the model reads it, before lower-casing;
    `begin` and `end`, int64, are where it stands in the text as given, in bytes (all empty or 0
    for [CLS] and [SEP]). `unit` is true where a piece begins what gets a tag.
    """

    ids: tf.RaggedTensor
    word: tf.RaggedTensor
    begin: tf.RaggedTensor
    end: tf.RaggedTensor
    unit: tf.RaggedTensor


class Tokenizer:
    """Text to word-piece ids as BERT wants them: [CLS] pieces… [SEP], never padded here.

    Args:
        vocabulary: word pieces in the order of their ids.
        lowercase: whether text is lower-cased and stripped of accents first.
        room: word pieces at most, [CLS] and [SEP] not included; longer texts are cut.
        cleaning: rules applied to the text before anything else.
        tag_unit: what gets a tag: a `word` between white space, or a `token` of BERT, which
            parts punctuation off too.
        word_shapes: whether ids carry the shapes of words; `CutWindows` tells them apart.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        lowercase: bool,
        room: int,
        cleaning: Sequence[CleaningRule],
        tag_unit: Literal["word", "token"] = "word",
        word_shapes: bool = False,
    ) -> None:
        vocabulary = tuple(vocabulary)
        pieces, normalizer = _compiled(vocabulary, lowercase)
        self._start = vocabulary.index("[CLS]")
        self._end = vocabulary.index("[SEP]")
        self._room = room
        self._cleaning = tuple(cleaning)
        self._tag_unit = tag_unit
        self._word_shapes = word_shapes
        self._continues = np.array([piece.startswith("##") for piece in vocabulary])
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
        return cls(
            vocabulary,
            lowercase,
            config.encoder.room,
            config.text_cleaning,
            config.data.tag_unit,
            config.encoder.word_shapes,
        )

    def __call__(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Tokenize string[n] to ragged int32[n, (pieces)]."""
        if self._word_shapes:
            return self.with_offsets(text).ids
        ids = self._pieces.tokenize(clean(text, self._cleaning))
        return self._enclose(ids[:, : self._room], self._start, self._end)

    def with_offsets(self, text: tf.Tensor) -> Pieces:
        """Tokenize string[n] and say where each piece stands; the ids are those of a call."""
        cleaned, ways = clean_with_ways(text, self._cleaning)
        ids, begin, end = (
            pieces[:, : self._room] for pieces in self._pieces.tokenize_with_offsets(cleaned)
        )
        goes_on = tf.gather(self._continues, ids.flat_values)
        if self._tag_unit == "word":
            # A row's first piece has no predecessor: -1 is the end of none.
            none = tf.fill([ids.nrows(), 1], tf.constant(-1, end.dtype))
            before = tf.concat([none, end], axis=1)[:, :-1]
            unit = tf.not_equal(begin.flat_values, before.flat_values)
        else:
            unit = tf.logical_not(goes_on)
        word = _parts(cleaned, begin, end)
        if self._word_shapes:
            ids = ids.with_flat_values(
                shapes.pack(ids.flat_values, _shapes(cleaned, begin, end, goes_on))
            )
        begin, end = tf.cast(begin, tf.int64), tf.cast(end, tf.int64)
        for way in ways:
            begin, end = way(begin, end)
        # All lie in rows alike: which value comes where is found once.
        count = tf.size(word)
        place = self._enclose(ids.with_flat_values(tf.range(count)), count, count + 1)

        def enclosed(values: tf.Tensor, first: Any, last: Any) -> tf.RaggedTensor:
            ends = tf.constant([first, last], values.dtype)
            return place.with_flat_values(
                tf.gather(tf.concat([values, ends], axis=0), place.flat_values)
            )

        return Pieces(
            ids=enclosed(ids.flat_values, self._start, self._end),
            word=enclosed(word, "", ""),
            begin=enclosed(begin.flat_values, 0, 0),
            end=enclosed(end.flat_values, 0, 0),
            unit=enclosed(unit, False, False),
        )

    def _enclose(self, pieces: tf.RaggedTensor, start: Any, end: Any) -> tf.RaggedTensor:
        """Put a first and a last value around each row."""
        rows = pieces.nrows()
        first = tf.fill([rows, 1], tf.cast(start, pieces.dtype))
        last = tf.fill([rows, 1], tf.cast(end, pieces.dtype))
        return tf.concat([first, pieces, last], axis=1)


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


def _parts(text: tf.Tensor, begin: tf.RaggedTensor, end: tf.RaggedTensor) -> tf.Tensor:
    """Return what is between places of its row's text, in bytes; flat."""
    # Each part is cut from a copy of the text, so a long one ends where the last part does.
    last = tf.maximum(tf.reduce_max(end, axis=1), 0)
    text = tf.strings.substr(text, tf.zeros_like(last), last)
    rows = tf.gather(text, begin.value_rowids())
    return tf.strings.substr(rows, begin.flat_values, end.flat_values - begin.flat_values)


def _shapes(
    text: tf.Tensor, begin: tf.RaggedTensor, end: tf.RaggedTensor, goes_on: tf.Tensor
) -> tf.Tensor:
    """Return the shape of the word that each piece belongs to, int32, flat."""
    # Pieces are numbered by their words: a piece that does not go on begins one.
    starts = tf.logical_not(goes_on)
    number = tf.cumsum(tf.cast(starts, tf.int32)) - 1
    rows = tf.boolean_mask(begin.value_rowids(), starts)
    words = tf.RaggedTensor.from_value_rowids(
        tf.boolean_mask(begin.flat_values, starts), rows, nrows=begin.nrows()
    )
    ends = words.with_flat_values(tf.math.segment_max(end.flat_values, number))
    return tf.gather(shapes.shapes(_parts(text, words, ends)), number)


def encoder_inputs(token_ids: tf.RaggedTensor) -> dict[str, tf.Tensor]:
    """Pad a batch to its own longest row; int32[n, T] for each input of a BertBackbone."""
    padded = token_ids.to_tensor()
    mask = tf.sequence_mask(token_ids.row_lengths(), tf.shape(padded)[1], dtype=tf.int32)
    return {"token_ids": padded, "padding_mask": mask, "segment_ids": tf.zeros_like(padded)}


def preprocessing_fn(
    inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]
) -> dict[str, Any]:
    """Transform's entry point: word-piece ids, the target by task, weight and time where given.

    The raw text passes through, so that the Trainer can put trivial baselines beside its model.
    """
    config = PipelineConfig.model_validate_json(custom_config["config"])
    text = tf.reshape(inputs[features.TEXT], [-1])
    outputs: dict[str, Any] = {features.TEXT: text}
    tokenizer = Tokenizer.of(config)
    if config.task == "token":
        pieces = tokenizer.with_offsets(text)
        outputs[features.TOKEN_IDS] = tf.cast(pieces.ids, tf.int64).to_sparse()
        tokens, tags = _ragged(inputs[features.TOKENS]), _ragged(inputs[features.TAGS])
        outputs[features.TAG_IDS] = align(pieces, tokens, _tag_ids(tags)).to_sparse()
        outputs[features.TAGS] = tags.to_sparse()
    else:
        outputs[features.TOKEN_IDS] = tf.cast(tokenizer(text), tf.int64).to_sparse()
        label = tf.reshape(inputs[features.LABEL], [-1])
        if config.task == "regression":
            outputs[features.LABEL_VALUE] = label
        else:
            outputs[features.LABEL_ID] = _label_ids(label, config)
    if config.task == "anomaly" and config.data.event_time is not None:
        outputs[features.EVENT_TIME] = tf.reshape(inputs[features.EVENT_TIME], [-1])
    if config.data.weight is not None:
        outputs[features.WEIGHT] = tf.reshape(inputs[features.WEIGHT], [-1])
    return outputs


def align(pieces: Pieces, tokens: tf.RaggedTensor, tag_ids: tf.RaggedTensor) -> tf.RaggedTensor:
    """Give word pieces the tags of the tokens they stand in.

    `tokens` string[n, (tokens)] make the text with a space between them; `tag_ids` int64 of the
    same shape number O as 0, B- of a type as an odd number and its I- as the next one. Returns
    int64[n, (pieces)], -1 where a piece begins no unit or its tag has no number.
    """
    lengths = tokens.with_flat_values(tf.strings.length(tokens.flat_values) + 1)
    starts = tf.cast(_exclusive_sums(lengths), tf.int64)
    # One search over all rows: each row's offsets stand above those of the rows before.
    token_row = tf.cast(tokens.value_rowids(), tf.int64) * _ROW
    piece_row = tf.cast(pieces.ids.value_rowids(), tf.int64) * _ROW
    begin = tf.cast(pieces.begin.flat_values, tf.int64)
    token = tf.searchsorted(token_row + starts, piece_row + begin, side="right") - 1
    token = tf.maximum(token, 0)
    tag = tf.gather(tag_ids.flat_values, token)
    # What goes on inside a token cannot begin an entity: its B- becomes I-.
    inside = tf.logical_and(begin != tf.gather(starts, token), tag % 2 == 1)
    tag = tf.where(tf.logical_and(inside, tag > 0), tag + 1, tag)
    tag = tf.where(pieces.unit.flat_values, tag, -tf.ones_like(tag))
    return pieces.ids.with_flat_values(tag)


# Byte offsets stay below this power of two.
_ROW = 1 << 40


def _exclusive_sums(values: tf.RaggedTensor) -> tf.Tensor:
    """Return, for each value, the sum of those before it in its row; flat."""
    sums = tf.cumsum(values.flat_values, exclusive=True)
    padded = tf.concat([sums, [0]], axis=0)
    return sums - tf.gather(tf.gather(padded, values.row_starts()), values.value_rowids())


def _ragged(values: Any) -> tf.RaggedTensor:
    # SchemaGen gives a feature a fixed shape when all rows happen to be equally long.
    if isinstance(values, tf.SparseTensor):
        return tf.RaggedTensor.from_sparse(values)
    return tf.RaggedTensor.from_tensor(values)


def _tag_ids(tags: tf.RaggedTensor) -> tf.RaggedTensor:
    """Number BIO tags: O is 0, the type of id t has 2t + 1 for B- and 2t + 2 for I-.

    A type that does not occur in training has -1.
    """
    flat = tags.flat_values
    kinds = tf.strings.regex_replace(flat, "^[BI]-", "")
    outside = tf.equal(flat, features.OUTSIDE)
    vocabulary = tft.vocabulary(
        tf.boolean_mask(kinds, tf.logical_not(outside)), vocab_filename=features.LABEL_VOCABULARY
    )
    kind = tft.apply_vocabulary(kinds, vocabulary, default_value=-1)
    inside = tf.cast(tf.strings.regex_full_match(flat, "I-.*"), tf.int64)
    number = tf.where(kind < 0, kind, 2 * kind + 1 + inside)
    return tags.with_flat_values(tf.where(outside, tf.zeros_like(number), number))


def _label_ids(label: tf.Tensor, config: PipelineConfig) -> tf.Tensor:
    """Number the labels; int64[n], -1 for a label that does not occur in training."""
    if config.task == "anomaly":
        return tf.cast(tf.equal(label, features.ANOMALY_LABELS[1]), tf.int64)
    return tft.compute_and_apply_vocabulary(label, vocab_filename=features.LABEL_VOCABULARY)
