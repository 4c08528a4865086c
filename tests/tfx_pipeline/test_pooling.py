"""Two views of an anomaly on one scale."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfx_pipeline.evaluation.metrics import anomaly_metrics
from tfx_pipeline.model.calibration import Calibration
from tfx_pipeline.training.pooling import agreed, fit_scaling, scale
from tfx_pipeline.training.scoring import Scored

TRUTH = np.arange(300) % 10 // 9


def held_out(encoder: np.ndarray, linear: np.ndarray, targets: np.ndarray) -> Scored:
    """Return events of a template each, as both parts answered them."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    parts = np.stack([encoder, linear], axis=1).astype(np.float32)
    return Scored(
        logits=parts.min(axis=1, keepdims=True),
        pooled=np.zeros((len(parts), 2), np.float32),
        targets=targets,
        counts=np.ones(len(parts), np.int64),
        texts=[f"{letters[i % 26]}{letters[i // 26]} {i}" for i in range(len(parts))],
        parts=parts,
    )


def precision(scored: Scored) -> float:
    """Return the average precision."""
    scores = Calibration().score(scored.logits[:, 0])
    return anomaly_metrics(scores, scored.targets == 1, 0.5)["average_precision"]


def test_what_both_call_an_anomaly_is_one():
    # Each takes some normal events for anomalies, and not the same ones.
    noise = np.random.default_rng(0).normal(size=(2, 300))
    normal, place = TRUTH == 0, np.arange(300)
    first, second = normal & (place % 7 == 0), normal & (place % 7 == 3)
    encoder = 9.0 * ((TRUTH == 1) | first) + noise[0] + 4
    linear = 0.5 * ((TRUTH == 1) | second) + 0.05 * noise[1] - 2
    scored = held_out(encoder, linear, TRUTH)
    assert precision(agreed(scored)) > 0.99
    for part in (encoder, linear):
        alone = dataclasses.replace(scored, logits=part[:, None])
        assert precision(alone) < 0.7
    # The smaller numbers of the linear part are no lesser opinion.
    assert precision(scored) < 0.7


def test_a_template_counts_less_the_oftener_it_comes():
    noise = np.random.default_rng(0).normal(size=(2, 300))
    scored = held_out(TRUTH + noise[0], TRUTH + noise[1], TRUTH)
    before = fit_scaling(scored)
    # One normal template of thousands of events looks like an anomaly to the words.
    many = 4000
    parts = np.concatenate([scored.parts, np.tile(np.float32([[-1, 3]]), (many, 1))])
    targets = np.concatenate([TRUTH, np.zeros(many, np.int64)])
    found = []
    for texts in ([f"always the same {i}" for i in range(many)], ["x" * i for i in range(many)]):
        repeated = dataclasses.replace(
            scored, parts=parts, targets=targets, texts=scored.texts + texts
        )
        found.append(fit_scaling(repeated).slopes[1])
    assert found[1] < found[0] < before.slopes[1]


def test_a_part_that_ranks_backwards_is_silent():
    noise = np.random.default_rng(0).normal(size=(2, 300))
    linear = -2.0 * TRUTH + noise[1]
    scored = held_out(3.0 * TRUTH + noise[0], linear, TRUTH)
    scaling = fit_scaling(scored)
    assert scaling.slopes[0] > 0 == scaling.slopes[1]
    expected = scored.parts[:, 0] * scaling.slopes[0] + scaling.offsets[0]
    assert agreed(scored).logits[:, 0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("wrong", [-1.0, 0.0])
def test_nothing_is_scaled_where_nothing_can_be_told(wrong):
    noise = np.random.default_rng(0).normal(size=(2, 300))
    targets = TRUTH if wrong else np.zeros(300, np.int64)
    scored = held_out(wrong * 9 * TRUTH + noise[0], wrong * 9 * TRUTH + noise[1], targets)
    assert agreed(scored).logits == pytest.approx(scored.logits)
    alone = dataclasses.replace(scored, parts=None)
    assert agreed(alone) is alone


@pytest.fixture
def asked(tiny_bert):
    """Return a model of two parts that no training has touched, texts, and its inputs for them."""
    import tensorflow as tf

    from tfx_pipeline.config import EncoderConfig
    from tfx_pipeline.model.encoder import find_encoder, load_backbone, load_vocabulary
    from tfx_pipeline.model.heads import build_model
    from tfx_pipeline.preprocessing import Tokenizer, encoder_inputs

    config = EncoderConfig(preset=str(tiny_bert), max_length=10)
    encoder = find_encoder(config)
    pieces, lowercase = load_vocabulary(encoder)
    texts = ["a b", "b a a a a a a a a a a a a", "c", "d e"]
    inputs = encoder_inputs(Tokenizer(pieces, lowercase, 30, ())(tf.constant(texts)))
    model = build_model(load_backbone(encoder, "float32"), "anomaly", 2, 0.0, config, pieces)
    linear = model.get_layer("wide")
    linear.rarity.assign(np.ones(linear.rarity.shape))
    linear.kernel.assign(np.random.default_rng(1).normal(size=linear.kernel.shape))
    return model, texts, inputs


def test_the_model_answers_as_it_was_judged(asked):
    model, texts, inputs = asked
    outputs = {name: value.numpy() for name, value in model(inputs).items()}
    assert outputs["logits"] == pytest.approx(outputs["parts"].min(axis=1, keepdims=True))
    truth = (outputs["parts"].sum(axis=1) > np.median(outputs["parts"].sum(axis=1))).astype(int)
    scored = Scored(
        outputs["logits"], outputs["pooled"], truth, np.ones(4, int), texts, outputs["parts"]
    )
    judged = scale(model, scored)
    assert not np.allclose(judged.logits, scored.logits)
    assert model(inputs)["logits"].numpy() == pytest.approx(judged.logits, abs=1e-4)


def test_early_stopping_looks_at_the_part_that_is_trained(asked):
    from tfx_pipeline.config import TrainingConfig
    from tfx_pipeline.training.learner import Learner

    model, _, inputs = asked
    model.get_layer("wide").bias.assign([-50.0])
    parts = model(inputs)["parts"].numpy()
    assert (parts[:, 0] > parts[:, 1]).all()
    answer = Learner(model, TrainingConfig())(inputs, training=False)
    assert answer.numpy() == pytest.approx(parts[:, :1])
