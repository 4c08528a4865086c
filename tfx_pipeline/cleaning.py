"""Text cleaning in the graph, and the way back: which bytes as sent became which cleaned ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from tfx_pipeline.text import CleaningRule

# Places in a cleaned text, begin and end, to those in the text before; each ragged int64 [n, (p)].
Way = Callable[[tf.RaggedTensor, tf.RaggedTensor], tuple[tf.RaggedTensor, tf.RaggedTensor]]

# Bytes that no UTF-8 holds: they stand round what a rule replaces, and after what it puts there.
_OPEN, _BETWEEN, _CLOSE = 0xFF, 0xFE, 0xFD


def clean(text: tf.Tensor, rules: Sequence[CleaningRule]) -> tf.Tensor:
    """Replace invalid UTF-8 and apply the rules in order; string[n] → string[n]."""
    text = _transcoded(text)
    for rule in rules:
        text = _applied(text, rule)
    return text


def clean_with_ways(text: tf.Tensor, rules: Sequence[CleaningRule]) -> tuple[tf.Tensor, list[Way]]:
    """Clean, and return the ways back, to be gone in their order.

    What a rule put in place of something else has the place of that as a whole.
    """
    ways = [_way_to_raw(text)]
    text = _transcoded(text)
    for rule in rules:
        ways.append(_way(text, rule))
        text = _applied(text, rule)
    return text, ways[::-1]


def _transcoded(text: tf.Tensor) -> tf.Tensor:
    return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")


def _applied(text: tf.Tensor, rule: CleaningRule) -> tf.Tensor:
    if rule.normal_form is not None:
        return tf_text.normalize_utf8(text, rule.normal_form)
    return tf.strings.regex_replace(text, rule.pattern, rule.replacement)


def _way(text: tf.Tensor, rule: CleaningRule) -> Way:
    """Return the way from what a rule makes of the text back to it."""
    if rule.normal_form is not None:
        return _way_from_normal_form(text, rule.normal_form)
    around = (bytes([_OPEN]), rb"\0", bytes([_BETWEEN]), rule.replacement.encode(), bytes([_CLOSE]))
    marked = tf.strings.regex_replace(text, rule.pattern, b"".join(around))
    rows = tf.cast(tf.strings.length(marked), tf.int64)
    codes = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(marked), tf.uint8), tf.int64)
    opens, betweens, closes = (
        tf.cast(tf.equal(codes, code), tf.int64) for code in (_OPEN, _BETWEEN, _CLOSE)
    )
    old = tf.cumsum(opens) - tf.cumsum(betweens)
    new = tf.cumsum(betweens) - tf.cumsum(closes)
    written = codes < _CLOSE
    before = tf.cast(tf.logical_and(written, new == 0), tf.int64)
    place = tf.cumsum(before, exclusive=True)
    starts = tf.gather(
        tf.concat([place, [0]], axis=0), tf.RaggedTensor.from_row_lengths(codes, rows).row_starts()
    )
    place -= tf.repeat(starts, rows)
    # All bytes of a replacement begin where the match began, and end where it ended.
    match = tf.maximum(tf.cumsum(opens) - 1, 0)
    matches = tf.concat([tf.boolean_mask(place, opens == 1), [0]], axis=0)
    begin = tf.where(new == 1, tf.gather(matches, match), place)
    end = tf.where(new == 1, place, place + 1)
    stays = tf.cast(tf.logical_and(written, old == 0), tf.int64)
    return _by_parts(tf.RaggedTensor.from_row_lengths(stays, rows), begin, end)


def _way_from_normal_form(text: tf.Tensor, form: str) -> Way:
    """Return the way from a normal form back, by letters with all that could join with them.

    tensorflow_text has a map of offsets too, but reading it can end the process.
    """
    marked = tf.strings.regex_replace(text, _JOINED, bytes([_OPEN]) + rb"\0")
    parts = tf.strings.split(marked, bytes([_OPEN]))[:, 1:]
    sizes = _lengths(parts, form)
    # Letters younger than RE2's tables could join unseen: such a text is one part as a whole.
    whole = tf.strings.length(tf_text.normalize_utf8(text, form))
    apart = tf.equal(tf.reduce_sum(sizes, axis=1), tf.cast(whole, tf.int64))
    marked = tf.where(apart, marked, tf.strings.join([bytes([_OPEN]), text]))
    parts = tf.strings.split(marked, bytes([_OPEN]))[:, 1:]
    end = tf.cumsum(_lengths(parts).flat_values)
    begin = end - _lengths(parts).flat_values
    starts = tf.gather(tf.concat([begin, [0]], axis=0), parts.row_starts())
    start = tf.gather(starts, parts.value_rowids())
    return _by_parts(_lengths(parts, form), begin - start, end - start)


# A letter and the marks, jamo and half-width voicing that may become one letter with it.
_JOINED = r"(?s).[\pM\x{1160}-\x{11ff}\x{3131}-\x{318e}\x{d7b0}-\x{d7fb}\x{ff9e}-\x{ffdc}]*"


def _lengths(parts: tf.RaggedTensor, form: str | None = None) -> tf.RaggedTensor:
    """Return how many bytes strings have, or their normal forms."""
    values = parts.flat_values
    if form is not None:
        values = tf_text.normalize_utf8(values, form)
    return parts.with_flat_values(tf.cast(tf.strings.length(values), tf.int64))


def _way_to_raw(text: tf.Tensor) -> Way:
    """Return the way from valid UTF-8 back to bytes of which some may have been replaced."""
    letters, begin = tf.strings.unicode_decode_with_offsets(text, "UTF-8", errors="replace")
    total = tf.cast(tf.strings.length(text), tf.int64)[:, None]
    end = tf.concat([begin, total], axis=1)[:, 1:]
    code = letters.flat_values
    sizes = 1 + sum(tf.cast(code >= least, tf.int64) for least in (0x80, 0x800, 0x10000))
    return _by_parts(letters.with_flat_values(sizes), begin.flat_values, end.flat_values)


def _by_parts(sizes: tf.RaggedTensor, begin: tf.Tensor, end: tf.Tensor) -> Way:
    """Return the way that goes by parts of the text.

    `sizes` int64[n, (parts)] are those in the cleaned text, in bytes, and `begin` and `end`, flat,
    where the part stands in the text before.
    """
    rows = tf.reduce_sum(sizes, axis=1)
    starts = tf.cumsum(rows + 1, exclusive=True)
    begins, ends = (
        tf.RaggedTensor.from_row_lengths(tf.repeat(places, sizes.flat_values), rows)
        for places in (begin, end)
    )
    # What stands for nothing may stand at either end of the text.
    last = tf.maximum(tf.reduce_max(ends, axis=1, keepdims=True), 0)
    begins = tf.concat([begins, last], axis=1).flat_values
    ends = tf.concat([tf.zeros_like(last), ends], axis=1).flat_values

    def way(
        begin: tf.RaggedTensor, end: tf.RaggedTensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        start = tf.gather(starts, begin.value_rowids())
        first = tf.gather(begins, start + begin.flat_values)
        final = tf.gather(ends, start + end.flat_values)
        return begin.with_flat_values(first), end.with_flat_values(tf.maximum(first, final))

    return way
