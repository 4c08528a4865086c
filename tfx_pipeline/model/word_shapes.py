"""Capitals, digits and punctuation for an encoder that reads everything in lower case.

What a word looks like says much of what it is: a name begins with a capital, CAPITALS are loud.
An uncased encoder never sees it. A BERT adds an embedding of its segment to each word piece, and
a text alone has one segment; so a piece's segment can say the shape of its word instead (the word
shapes of Collobert et al. 2011, added rather than concatenated). All shapes begin as the segment
that the encoder knows, and so as no change at all.

A piece's shape travels in the high bits of its id, so that what cuts, pads and shuffles pieces
need not know of it; `CutWindows` parts the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfx_pipeline.errors import EncoderError

# Ids of word pieces stay below this power of two.
_ID = 1 << 20

# The first that matches a word is its shape; 0 for all others: letters, but none of them capital.
_SHAPES = (
    (5, r"[^\p{L}\p{N}]*"),
    (4, r"[^\p{L}]*"),
    (1, r"[^\p{L}]*\p{Lu}[^\p{Lu}]*"),
    (2, r"[^\p{Ll}]*\p{Lu}[^\p{Ll}]*"),
    (3, r".*\p{Lu}.*"),
)
_COUNT = 1 + max(shape for shape, _ in _SHAPES)


def shapes(words: tf.Tensor) -> tf.Tensor:
    """Return the shape of each word, string[n] → int32[n].

    0 has letters and no capital, 1 a capital first, 2 capitals alone, 3 other capitals, 4 digits,
    5 neither.
    """
    found = tf.zeros(tf.shape(words), tf.int32)
    # The last of these to match wins.
    for shape, pattern in reversed(_SHAPES):
        found = tf.where(tf.strings.regex_full_match(words, f"(?s:{pattern})"), shape, found)
    return found


def pack(ids: tf.Tensor, shapes: tf.Tensor) -> tf.Tensor:
    """Put int32 shapes into the high bits of int32 ids."""
    return ids + shapes * _ID


def unpack(packed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return ids and shapes; of ids alone the shapes are 0."""
    return packed % _ID, packed // _ID


def widened(backbone: Any) -> Any:
    """Return the backbone with a segment for each shape, all of them like its first.

    Raises:
        EncoderError: the backbone has no segments.
    """
    config = backbone.get_config()
    if "num_segments" not in config:
        raise EncoderError(
            f"encoder.word_shapes: a {type(backbone).__name__} has no segments to tell them by; "
            "give a BERT or an ELECTRA, or set encoder.word_shapes: false"
        )
    wider = type(backbone).from_config({**config, "num_segments": _COUNT})
    for variable, known in zip(wider.weights, backbone.weights, strict=True):
        value = known.numpy()
        if value.shape != tuple(variable.shape):
            value = np.repeat(value[:1], _COUNT, axis=0)
        variable.assign(value)
    return wider
