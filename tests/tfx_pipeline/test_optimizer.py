"""A step of the optimizer against Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfx_pipeline.training.optimizer import LayerwiseAdamW

_OPTIONS = {"learning_rate": 0.01, "weight_decay": 0.1, "global_clipnorm": 1.0}


@pytest.mark.parametrize("accumulate", [None, 2])
def test_a_step_is_that_of_keras_adamw(accumulate):
    ours = _trained(LayerwiseAdamW(gradient_accumulation_steps=accumulate, **_OPTIONS))
    keras_own = _trained(keras.optimizers.AdamW(gradient_accumulation_steps=accumulate, **_OPTIONS))
    for own, other in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-7)


def test_a_layer_below_moves_less():
    table, weight = _trained(LayerwiseAdamW(layers=1, layer_decay=0.5, **_OPTIONS), steps=1)
    whole, _ = _trained(LayerwiseAdamW(layers=1, layer_decay=1.0, **_OPTIONS), steps=1)
    before = _start()[0] * (1 - 0.1 * 0.01)
    np.testing.assert_allclose(table[0] - before[0], (whole[0] - before[0]) / 4, rtol=1e-4)
    assert not np.array_equal(weight, _start()[1])


def _start() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    return random.normal(size=(5, 3)).astype("f"), random.normal(size=(3, 2)).astype("f")


def _trained(optimizer: keras.optimizers.Optimizer, steps: int = 4) -> list[np.ndarray]:
    """Return a table of embeddings, of which each step reads two rows, and a weight on it."""
    table, weight = (
        keras.Variable(value, name=name)
        for name, value in zip(("embedding", "kernel"), _start(), strict=True)
    )
    optimizer.build([table, weight])

    @tf.function
    def step(rows: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(tf.gather(table.value, rows) @ weight.value))
        gradients = tape.gradient(loss, [table.value, weight.value])
        assert isinstance(gradients[0], tf.IndexedSlices)
        optimizer.apply_gradients(zip(gradients, [table, weight], strict=True))

    for place in range(steps):
        step(tf.constant([place % 5, 0]))
    return [table.numpy(), weight.numpy()]
