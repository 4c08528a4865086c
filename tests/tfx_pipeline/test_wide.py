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
    assert not layer.trainable_weights
