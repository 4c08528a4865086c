"""The linear model of words that lies in the graph."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from tfx_pipeline.model.wide import Vocabulary, WideLogits, grams_of, words_of  # noqa: E402

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz"]
PIECES += ["##a", "##b", "7", "##8", "2005", "##49", "!", "(", "##!", "é"]


def batch(*texts: str) -> tuple[np.ndarray, np.ndarray]:
    rows = [[PIECES.index(p) for p in f"[CLS] {text} [SEP]".split()] for text in texts]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    return ids, (ids > 0).astype(np.int32)


def words(*texts: str) -> list[list[int]]:
    found = words_of(*batch(*texts), Vocabulary.of(PIECES))
    return tf.ragged.boolean_mask(found.hashed, found.within).to_list()


def test_pieces_become_words_again():
    whole, part, turned, apart = words("x ##a ##b", "x ##a", "x ##b ##a", "x a b")
    assert [len(row) for row in (whole, part, turned, apart)] == [1, 1, 1, 3]
    assert len({whole[0], part[0], turned[0], *apart}) == 6
    assert words("y x ##a ##b z")[0][1:2] == whole
    assert words("é [UNK]")[0] == [*words("é")[0], *words("[UNK]")[0]]


def test_punctuation_is_no_word_and_numbers_are_alike():
    assert words("x ! ( ( y ##! !") == words("x y")
    assert words("7") == words("2005") != words("x")
    assert words("7 ##8") == words("2005 ##49")
    assert words("x ##8") != words("x ##a")


def test_what_goes_on_with_no_word_is_none():
    assert words("a b", "##a x", "c") == [*words("a b"), *words("x"), *words("c")]


def test_a_batch_may_have_no_word_and_no_text():
    assert words("", "! !") == [[], []]
    ids, mask = batch("a b")
    nothing = words_of(ids[:0], mask[:0], Vocabulary.of(PIECES))
    assert grams_of(nothing).counts.shape[0] == 0
    assert WideLogits(3, PIECES)(ids[:0], mask[:0]).shape == (0, 3)


def test_words_and_pairs_are_counted_inside_their_text():
    ids, mask = batch("a b c d", "a", "a ##b ! c", "a b a b")
    grams = grams_of(words_of(ids, mask, Vocabulary.of(PIECES)))
    counts = tf.ragged.boolean_mask(grams.counts, grams.within).to_list()
    assert counts == [[1] * (4 + 3), [1], [1] * (2 + 1), [2, 2, 2, 2, 2, 1, 2]]
    # More padding changes nothing.
    wider = [np.pad(values, [[0, 0], [0, 5]]) for values in (ids, mask)]
    again = grams_of(words_of(*wider, Vocabulary.of(PIECES)))
    assert tf.ragged.boolean_mask(again.counts, again.within).to_list() == counts
    assert (
        tf.ragged.boolean_mask(again.buckets, again.within).to_list()
        == tf.ragged.boolean_mask(grams.buckets, grams.within).to_list()
    )


def test_the_logits_are_those_of_scikit_learns_tf_idf():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts = ["a b a", "b c", "c a c c", "d", "a d b", "b b"] * 3
    truth = np.array([1, 0, 1, 0, 1, 0] * 3)
    ids, mask = batch(*texts)
    layer = WideLogits(1, PIECES)
    inputs = {"token_ids": tf.constant(ids), "padding_mask": tf.constant(mask)}
    layer.fit([(inputs, truth, np.ones(len(ids)))], 2)
    tf_idf = TfidfVectorizer(ngram_range=(1, 2), token_pattern="[a-z]", sublinear_tf=True)
    rows = tf_idf.fit_transform(texts)
    model = LogisticRegression(C=3.0, max_iter=1000, class_weight="balanced").fit(rows, truth)
    assert layer(ids, mask).numpy()[:, 0] == pytest.approx(model.decision_function(rows), abs=1e-2)


def lines(count: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    choices = ["a", "b", "c ##a", "d ##b", "e", "f", "!", "7"]
    texts = [" ".join(random.choice(choices, random.integers(2, 7))) for _ in range(count)]
    return *batch(*texts), np.array(["c ##a" in text for text in texts], np.int64)


@pytest.mark.parametrize("outputs", [1, 3])
def test_it_learns_which_word_decides(outputs):
    ids, mask, truth = lines()
    layer = WideLogits(outputs, PIECES)
    assert not layer(ids, mask).numpy().any()
    inputs = {"token_ids": tf.constant(ids), "padding_mask": tf.constant(mask)}
    layer.fit([(inputs, truth, np.ones(len(ids)))], outputs)
    logits = layer(ids, mask).numpy()
    given = logits[:, 0] > 0 if outputs == 1 else logits.argmax(axis=1)
    assert (given == truth).all()
    shares = layer.shares(ids, mask).numpy()
    assert shares.sum(axis=1) + layer.bias.numpy() == pytest.approx(logits, abs=1e-5)
    assert not shares[mask == 0].any()
    assert not layer.trainable_weights
    again = WideLogits.from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    assert again(ids, mask).numpy() == pytest.approx(logits)


def test_it_minds_the_weights_of_the_texts():
    ids, mask = batch(*["a b"] * 4, "a b")
    truth = np.array([0, 0, 0, 0, 1])
    inputs = {"token_ids": tf.constant(ids), "padding_mask": tf.constant(mask)}
    found = []
    for weights in ([1, 1, 1, 1, 1], [0.01, 0.01, 0.01, 0.01, 1]):
        layer = WideLogits(1, PIECES)
        layer.fit([(inputs, truth, np.array(weights))], 2)
        found.append(layer(ids, mask).numpy()[0, 0])
    assert found[1] > found[0] + 1


@pytest.mark.parametrize("task", ["anomaly", "classification"])
def test_an_explanation_tells_of_both_parts(tiny_bert, task):
    from tfx_pipeline.config import EncoderConfig
    from tfx_pipeline.model.encoder import find_encoder, load_backbone, load_vocabulary
    from tfx_pipeline.model.explanation import explain
    from tfx_pipeline.model.heads import build_model, width
    from tfx_pipeline.preprocessing import Tokenizer, encoder_inputs

    config = EncoderConfig(preset=str(tiny_bert), max_length=10)
    encoder = find_encoder(config)
    pieces, lowercase = load_vocabulary(encoder)
    tokenizer = Tokenizer(pieces, lowercase, config.room, ())
    texts = tf.constant(["a b b", "b a a a a a a a a a a a a", "c"])
    inputs = encoder_inputs(tokenizer(texts))
    outputs = width(task, 3)
    network = build_model(load_backbone(encoder, "float32"), task, 3, 0.0, config, pieces)
    linear = network.get_layer("wide")
    linear.rarity.assign(np.ones(linear.rarity.shape))
    # The last label wins by far, whatever an encoder that has learned nothing adds to it; and an
    # anomaly's words are the lesser part beside an encoder that is sure.
    head = network.get_layer("head").get_layer("logits")
    if task == "anomaly":
        head.bias.assign([1000.0])
    noise = np.random.default_rng(0).random(linear.kernel.shape)
    linear.kernel.assign(noise + 50.0 * np.arange(1, outputs + 1))
    found = explain(network, task, tokenizer.with_offsets(texts))
    shares = linear.shares(inputs["token_ids"], inputs["padding_mask"])[:, 1:, outputs - 1]
    for number, length in enumerate(found["length"].numpy()):
        attribution = found["attribution"].numpy()[number, :length]
        assert attribution == pytest.approx(shares[number, :length].numpy(), abs=1)
        assert attribution.min() > 3
    if task == "anomaly":
        head.bias.assign([-1000.0])
        apart = explain(network, task, tokenizer.with_offsets(texts))
        assert np.abs(apart["attribution"].numpy()).max() < 3
