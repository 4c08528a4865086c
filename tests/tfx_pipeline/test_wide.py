"""The linear model of n-grams that lies in the graph."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from tfx_pipeline.model.wide import WideLogits, ngrams  # noqa: E402


def texts(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    ids = random.integers(1, 40, (count, 9)).astype(np.int32)
    lengths = random.integers(3, 10, count)
    mask = (np.arange(9)[None] < lengths[:, None]).astype(np.int32)
    return ids * mask, mask


def test_ngrams_stay_inside_their_text():
    ids, mask = texts()
    counts = ngrams(ids, mask).numpy()
    # n pieces have n + (n - 1) + (n - 2) n-grams of 1 to 3.
    assert (counts.sum(axis=1) == 3 * mask.sum(axis=1) - 3).all()
    # More padding changes nothing.
    wider = [np.pad(values, [[0, 0], [0, 5]]) for values in (ids, mask)]
    assert np.array_equal(ngrams(*wider).numpy(), counts)
    assert ngrams(ids[:, :1], mask[:, :1]).numpy().sum() == len(ids)


@pytest.mark.parametrize("outputs", [1, 3])
def test_it_learns_which_piece_decides(outputs):
    ids, mask = texts()
    truth = (ids == 7).any(axis=1).astype(np.int64)
    layer = WideLogits(outputs)
    assert not layer(ids, mask).numpy().any()
    inputs = {"token_ids": tf.constant(ids), "padding_mask": tf.constant(mask)}
    layer.fit([(inputs, truth, None)], outputs)
    logits = layer(ids, mask).numpy()
    given = logits[:, 0] > 0 if outputs == 1 else logits.argmax(axis=1)
    assert (given == truth).all()
    shares = layer.shares(ids, mask).numpy()
    assert shares.sum(axis=1) + layer.bias.numpy() == pytest.approx(logits, abs=1e-5)
    assert not shares[mask == 0].any()
    assert not layer.trainable_weights


@pytest.mark.parametrize("task", ["anomaly", "classification"])
def test_an_explanation_tells_of_both_parts(tiny_bert, task):
    from tfx_pipeline.config import EncoderConfig
    from tfx_pipeline.model.encoder import find_encoder, load_backbone, load_vocabulary
    from tfx_pipeline.model.explanation import explain
    from tfx_pipeline.model.heads import build_model, width
    from tfx_pipeline.preprocessing import Tokenizer, encoder_inputs

    config = EncoderConfig(preset=str(tiny_bert), max_length=10)
    encoder = find_encoder(config)
    tokenizer = Tokenizer(*load_vocabulary(encoder), config.room, ())
    texts = tf.constant(["a b b", "b a a a a a a a a a a a a", "c"])
    inputs = encoder_inputs(tokenizer(texts))
    outputs = width(task, 3)
    network = build_model(load_backbone(encoder, "float32"), task, 3, 0.0, config, wide=True)
    linear = network.get_layer("wide")
    linear.rarity.assign(np.ones(linear.rarity.shape))
    # The last label wins by far, whatever an encoder that has learned nothing adds to it.
    noise = np.random.default_rng(0).random(linear.kernel.shape)
    linear.kernel.assign(noise + 50.0 * np.arange(1, outputs + 1))
    found = explain(network, task, tokenizer.with_offsets(texts))
    shares = linear.shares(inputs["token_ids"], inputs["padding_mask"])[:, 1:, outputs - 1]
    for number, length in enumerate(found["length"].numpy()):
        attribution = found["attribution"].numpy()[number, :length]
        assert attribution == pytest.approx(shares[number, :length].numpy(), abs=1)
        assert attribution.min() > 5
