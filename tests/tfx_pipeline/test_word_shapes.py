from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.tfx_pipeline.test_training import config_of, trained
from tfx_pipeline.errors import EncoderError
from tfx_pipeline.model.encoder import find_encoder, load_backbone
from tfx_pipeline.model.word_shapes import pack, shapes, unpack, widened
from tfx_pipeline.preprocessing import Tokenizer

WORDS = {
    "letters ünder 日本 x2y": 0,
    "Capital Ünder I 1St": 1,
    "CAPITALS LOL2 \u00c9A": 2,
    "McDonald iPhone aB": 3,
    "2024 1,5 ½": 4,
    "!!! :) \u2026 😀": 5,
}


@pytest.fixture
def config(tiny_bert):
    return config_of(tiny_bert)


def shaped(config):
    encoder = config.encoder.model_copy(update={"word_shapes": True})
    return config.model_copy(update={"encoder": encoder})


def test_words_by_their_shapes():
    for words, shape in WORDS.items():
        assert shapes(tf.constant(words.split())).numpy().tolist() == [shape] * len(words.split())
    assert shapes(tf.constant([""])).numpy().tolist() == [5]


def test_every_piece_has_the_shape_of_its_word(config):
    texts = tf.constant(["Ab cd", "", "x9 NO! 12 \u00c9a"])
    plain, packed = Tokenizer.of(config)(texts), Tokenizer.of(shaped(config))(texts)
    ids, found = unpack(packed.flat_values)
    assert ids.numpy().tolist() == plain.flat_values.numpy().tolist()
    assert pack(ids, found).numpy().tolist() == packed.flat_values.numpy().tolist()
    assert packed.with_flat_values(found).to_list() == [
        [0, 1, 1, 0, 0, 0],
        [0, 0],
        # A letter with an accent is two characters to BERT, and one piece.
        [0, 0, 0, 2, 2, 5, 4, 4, 1, 1, 0],
    ]


def test_shapes_change_nothing_at_first(config):
    encoder = find_encoder(config.encoder)
    known = load_backbone(encoder, "float32")
    wider = load_backbone(encoder, "float32", word_shapes=True)
    ids = np.array([[2, 7, 8, 9, 3]], np.int32)
    given = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    before = known({**given, "segment_ids": np.zeros_like(ids)})["sequence_output"]
    after = wider({**given, "segment_ids": np.array([[0, 1, 2, 5, 0]])})["sequence_output"]
    assert after.numpy() == pytest.approx(before.numpy(), abs=1e-6)


def test_an_encoder_without_segments_is_named():
    import keras_hub

    backbone = keras_hub.models.DistilBertBackbone(
        vocabulary_size=9, num_layers=1, num_heads=1, hidden_dim=4, intermediate_dim=4
    )
    with pytest.raises(EncoderError, match="a DistilBertBackbone has no segments"):
        widened(backbone)


@pytest.mark.slow
@pytest.mark.parametrize("restricted", [{"freeze_layers": 1}, {"lora_rank": 2}])
def test_capitals_are_learned_by_an_encoder_without_them(tiny_bert, restricted):
    random = np.random.default_rng(0)
    loud = random.integers(0, 2, 96)
    texts = ["".join(random.choice(list("abyz"), 6)) for _ in loud]
    rows = [text.upper() if high else text for text, high in zip(texts, loud, strict=True)], loud
    config = config_of(tiny_bert, epochs=8, learning_rate=3e-3, **restricted)
    assert trained(config, rows)[1] < 0.8
    assert trained(shaped(config), rows)[1] > 0.95
