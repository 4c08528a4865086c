"""The bridge's key and the model's graph: texts with equal keys are the same text to the model."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow_text")

import tensorflow as tf

from stream_bridge.scoring.cleaning import normaliser
from tfx_pipeline.cleaning import clean
from tfx_pipeline.text import PRESETS, CleaningRule, expand

RULES = [
    *PRESETS,
    {"pattern": "x*", "replacement": "-"},
    {"pattern": r"\b", "replacement": "|"},
    {"pattern": "(a)|(.)b", "replacement": r"<\2\1\0\\>"},
    {"pattern": "$", "replacement": "!"},
    {"pattern": "[\\p{Han}\u00e9]+", "replacement": "\u4e2d"},
]
# Of every age: letters that NFKC takes apart, puts together or leaves, some younger than Python.
LETTERS = (
    "abx 0 1\t\u00e9e\u0301\u0323\ufb01\uff11\uff21\u2460\u4e2d\u6587\uac00\u1100\u1161\u0344\u212b"
)
YOUNG = "\U0001f600\U0001ccd6\U0001e030\U0001f1e6\u1df5\U00010eff\U0002fa1d"

texts = st.text(
    st.sampled_from(LETTERS) | st.sampled_from(YOUNG) | st.characters(codec="utf-8"), max_size=12
)


def in_the_graph(text: str, rules: list[CleaningRule]) -> bytes:
    return clean(tf.constant([text.encode()]), rules).numpy()[0]


@settings(max_examples=400, deadline=None)
@given(text=texts, chosen=st.lists(st.sampled_from(RULES), max_size=4))
@example(text="\U0001ccd6", chosen=["nfkc"])
@example(text="\U0001f600\ufb01", chosen=["nfkc", {"pattern": "\ufb01"}])
def test_a_key_is_what_the_model_reads_or_the_text_itself(text, chosen):
    rules = [CleaningRule.model_validate(rule) for rule in expand(chosen)]
    key = normaliser([rule.model_dump(exclude_defaults=True) for rule in rules])(text)
    # The second is no UTF-8, so it equals no key of the first kind and of no other text.
    assert key in (in_the_graph(text, rules), b"\xff" + text.encode())


def test_characters_of_unicode_3_2_have_the_graphs_normal_form():
    old = [
        chr(code)
        for code in range(0x110000)
        if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs")
    ]
    for form in ("NFC", "NFKC"):
        rules = [CleaningRule(normal_form=form)]
        found = clean(tf.constant([letter.encode() for letter in old]), rules).numpy()
        key = normaliser([{"normal_form": form}])
        assert [key(letter) for letter in old] == found.tolist()


@pytest.mark.parametrize("rule", [{"pattern": "(?=a)"}, {"stem": "english"}])
def test_what_the_bridge_does_not_know_leaves_texts_alone(rule):
    key = normaliser([{"pattern": "[0-9]+", "replacement": "0"}, rule])
    assert key("a 1") != key("a 2")
    assert key("a 1") == key("a 1")
