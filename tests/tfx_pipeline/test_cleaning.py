"""The way back: where a piece of a cleaned text stands in the text as it was sent."""

from __future__ import annotations

import functools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow_text")

import tensorflow as tf

from tfx_pipeline.cleaning import clean, clean_with_ways
from tfx_pipeline.text import CleaningRule, expand

RULES = [
    ["urls", "nfkc", "numbers"],
    [{"pattern": "x*", "replacement": "-"}, {"pattern": "(a)(b)", "replacement": r"\2 \1"}],
]
LETTERS = "abx 01\u00e9\u4e2d\ufb01\uff11\U0001f600\u200b"


def rules_of(names) -> list[CleaningRule]:
    return [CleaningRule.model_validate(rule) for rule in expand(names)]


def places(texts: list[bytes], rules, spans: list[list[tuple[int, int]]]):
    """Return what the spans of the cleaned texts were in the texts as sent."""
    cleaned, ways = clean_with_ways(tf.constant(texts), rules)
    begin, end = (
        tf.ragged.constant([[span[side] for span in row] for row in spans], tf.int64, ragged_rank=1)
        for side in (0, 1)
    )
    for way in ways:
        begin, end = way(begin, end)
    found = [
        [text[b:e] for b, e in zip(*row, strict=True)]
        for text, row in zip(texts, zip(begin.to_list(), end.to_list(), strict=True), strict=True)
    ]
    return cleaned.numpy().tolist(), found


def words(text: bytes) -> list[tuple[int, int]]:
    found, begin = [], 0
    for word in text.split(b" "):
        if word:
            found.append((begin, begin + len(word)))
        begin += len(word) + 1
    return found


@pytest.mark.parametrize(
    ("names", "text", "sent"),
    [
        (
            ["nfkc"],
            "\u4e2d\u6587 \uff21\uff22 \ufb01n",
            ["\u4e2d\u6587", "\uff21\uff22", "\ufb01n"],
        ),
        (["numbers"], "took 4711 ms, 12 tries", ["took", "4711", "ms,", "12", "tries"]),
        (
            ["urls", "nfkc"],
            "\uff11 http://a.example/\u4e2d b",
            ["\uff11", "http://a.example/\u4e2d", "b"],
        ),
        (["control"], "a\u200bb\tc", ["a\u200bb", "c"]),
        ([{"pattern": "(a)(b)", "replacement": r"\2-\1"}], "xab y", ["xab", "y"]),
        ([], "", []),
    ],
)
def test_words_are_found_where_they_were_sent(names, text, sent):
    rules = rules_of(names)
    raw = [text.encode(), b"other 1 \xff", b""]
    spans = [words(cleaned) for cleaned in clean(tf.constant(raw), rules).numpy()]
    _, found = places(raw, rules, spans)
    assert found[0] == [word.encode() for word in sent]
    assert found[1:] == [[b"other", b"1", b"\xff"], []]


def test_invalid_bytes_do_not_move_what_follows():
    raw = [b"a\xff\xfe b\xe4\xb8 c"]
    cleaned, found = places(raw, [], [[(0, 7), (8, 12), (13, 14)]])
    assert cleaned == ["a\ufffd\ufffd b\ufffd c".encode()]
    assert found == [[b"a\xff\xfe", b"b\xe4\xb8", b"c"]]


@functools.cache
def letters_of(number: int):
    """Compile: texts to where each letter of the cleaned ones was; by rules, in a graph."""
    rules = rules_of(RULES[number])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def letters(texts):
        cleaned, ways = clean_with_ways(texts, rules)
        _, begin = tf.strings.unicode_decode_with_offsets(cleaned, "UTF-8")
        total = tf.cast(tf.strings.length(cleaned), tf.int64)[:, None]
        end = begin.with_flat_values(tf.concat([begin, total], axis=1)[:, 1:].flat_values)
        for way in ways:
            begin, end = way(begin, end)
        return cleaned, clean(texts, rules), begin, end

    return letters


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.text(LETTERS, max_size=8).map(str.encode) | st.binary(max_size=6)),
    number=st.integers(0, len(RULES) - 1),
)
@example(texts=[], number=1)
def test_the_way_back_stays_inside_the_text_and_in_order(texts, number):
    cleaned, expected, begins, ends = letters_of(number)(tf.constant(texts, tf.string))
    assert cleaned.numpy().tolist() == expected.numpy().tolist()
    for text, begin, end in zip(texts, begins.to_list(), ends.to_list(), strict=True):
        assert all(0 <= b <= e <= len(text) for b, e in zip(begin, end, strict=True))
        assert begin == sorted(begin)
        assert end == sorted(end)
