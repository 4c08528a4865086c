"""Every option of training, on a tiny BERT that learns a rule one can see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfx_pipeline.config import PipelineConfig

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from tfx_pipeline.errors import EncoderError  # noqa: E402
from tfx_pipeline.model.encoder import find_encoder  # noqa: E402
from tfx_pipeline.preprocessing import Tokenizer  # noqa: E402
from tfx_pipeline.training.augmentation import augmented, find_synonyms, reword  # noqa: E402
from tfx_pipeline.training.batches import TARGET, bucket  # noqa: E402
from tfx_pipeline.training.fine_tuning import FineTuning, template_weighted  # noqa: E402
from tfx_pipeline.training.losses import LabelLoss  # noqa: E402

LABELS = ("low", "high")


def config_of(tiny_bert: Path, **training: object) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "name": "tiny",
            "task": "classification",
            "encoder": {"preset": str(tiny_bert), "max_length": 16},
            "training": {
                "learning_rate": 3e-3,
                "epochs": 2,
                "batch_tokens": 128,
                "precision": "float32",
                "checkpoints": False,
                **training,
            },
        }
    )


@pytest.fixture(scope="module")
def rows(tiny_bert) -> tuple[list[str], np.ndarray]:
    random = np.random.default_rng(0)
    ids = random.integers(0, 2, 96)
    texts = ["".join(random.choice(list("ab" if low else "yz"), 6)) for low in ids == 0]
    return texts, ids


def examples(config: PipelineConfig, texts: list[str], ids: np.ndarray) -> tf.data.Dataset:
    pieces = Tokenizer.of(config)(tf.constant(texts))
    return tf.data.Dataset.from_tensor_slices(
        {
            "token_ids": pieces,
            "text": texts,
            "weight": np.ones(len(ids), np.float32),
            TARGET: ids,
        }
    ).map(lambda e: {**e, "token_ids": tf.reshape(e["token_ids"], [-1])})


def trained(config: PipelineConfig, rows, **options) -> tuple[keras.Model, float]:
    keras.utils.set_random_seed(config.training.seed)
    data = examples(config, *rows)
    model = FineTuning(config, find_encoder(config.encoder), LABELS, **options).run(data, data)
    batch = next(iter(bucket(data, 4096)))
    logits = model(batch["inputs"], training=False)["logits"].numpy()
    return model, float((logits.argmax(axis=1) == batch[TARGET].numpy()).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "training",
    [
        {"r_drop": 1.0, "dropout_samples": 3, "label_smoothing": 0.1, "layer_decay": 0.9},
        {"adversarial": 0.3, "average": "ema", "ema_decay": 0.5, "precision": "bfloat16"},
        {"lora_rank": 4, "focal": 2.0, "average": "swa", "learning_rate": 1e-2},
        {"precision": "float16", "accumulate": 2, "freeze_layers": 1, "learning_rate": 1e-2},
    ],
)
def test_each_option_learns(tiny_bert, rows, training):
    model, accuracy = trained(config_of(tiny_bert, **training), rows)
    assert accuracy > 0.95
    assert not any("lora" in variable.path for variable in model.variables)


@pytest.mark.slow
def test_frozen_layers_stay_as_they_were(tiny_bert, rows):
    config = config_of(tiny_bert, freeze_layers=1, epochs=1)
    model, _ = trained(config, rows)
    pretrained, _ = trained(config_of(tiny_bert, learning_rate=1e-12, epochs=1), rows)
    for layer, same in (("transformer_layer_0", True), ("transformer_layer_1", False)):
        ours, theirs = (
            [v.numpy() for v in m.variables if layer in v.path and "kernel" in v.path]
            for m in (model, pretrained)
        )
        assert ours
        near = [np.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs, strict=True)]
        assert all(near) == same


@pytest.mark.slow
def test_a_seed_decides_everything(tiny_bert, rows):
    config = config_of(tiny_bert, epochs=1, augmentation={"mask": 0.3, "typo": 0.2})
    first, second = (trained(config, rows)[0].get_weights() for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class _Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_killed_training_goes_on(tiny_bert, rows, tmp_path):
    config = config_of(tiny_bert, epochs=3)
    keras.utils.set_random_seed(0)
    data = examples(config, *rows)
    tuning = FineTuning(config, find_encoder(config.encoder), LABELS, tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        tuning.run(data, data, [_Killed()])
    seen: list[int] = []
    begun = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    tuning.run(data, data, [begun])
    assert seen == [2]


def test_focal_loss_of_what_is_right_is_small():
    ids, logits = tf.constant([1, 0]), tf.constant([[2.0], [2.0]])
    plain = LabelLoss(reduction=None)(ids, logits).numpy()
    focal = LabelLoss(focal=2.0, reduction=None)(ids, logits).numpy()
    assert plain == pytest.approx([0.126928, 2.126928], abs=1e-5)
    right = 1 / (1 + np.exp(-2.0))
    assert focal == pytest.approx(plain * [(1 - right) ** 2, right**2], rel=1e-4)


def test_templates_weigh_by_the_root_of_their_events(tiny_bert):
    config = config_of(tiny_bert)
    data = examples(config, ["a 1", "a 2", "a 3", "a 4", "b"], np.zeros(5, np.int64))
    weights = [float(e["weight"]) for e in template_weighted(data).as_numpy_iterator()]
    assert weights[4] == pytest.approx(2 * weights[0])
    assert sum(weights) == pytest.approx(5)


def test_augmentation_changes_the_pieces_anew_each_epoch(tiny_bert, rows):
    config = config_of(tiny_bert, augmentation={"share": 1.0, "typo": 1.0})
    data = augmented(examples(config, *rows), config)
    first, second = ([e["token_ids"].tolist() for e in data.as_numpy_iterator()] for _ in range(2))
    plain = [e["token_ids"].tolist() for e in examples(config, *rows).as_numpy_iterator()]
    assert first != plain
    assert first != second


def test_rewording_with_a_users_synonyms(tmp_path):
    groups = tmp_path / "synonyms.tsv"
    groups.write_text("failed\tbroke\n", encoding="utf-8")
    wanted = PipelineConfig.model_validate(
        {
            "name": "n",
            "task": "classification",
            "training": {"augmentation": {"synonym": 1.0, "synonyms": str(groups)}},
        }
    ).training.augmentation
    random = np.random.default_rng(0)
    assert reword("disk failed", wanted, random, find_synonyms(wanted)) == "disk broke"


def test_the_logit_of_outside_moves_to_the_best_entity_f1(tiny_bert):
    from tfx_pipeline.config import EncoderConfig
    from tfx_pipeline.model.encoder import load_backbone
    from tfx_pipeline.model.heads import build_model
    from tfx_pipeline.training.run_fn import shift_outside
    from tfx_pipeline.training.scoring import Scored

    encoder = find_encoder(EncoderConfig(preset=str(tiny_bert)))
    model = build_model(load_backbone(encoder, "float32"), "token", 3, 0.0, EncoderConfig())
    # Every entity is seen, and every one priced a little too low.
    targets = np.array([0, 1, 2, 0, 0, 1])
    logits = np.eye(3, dtype=np.float32)[targets]
    logits[:, 0] += 1.5
    scored = Scored(logits, np.zeros((2, 4), np.float32), targets, np.array([3, 3]), ["a", "b"])
    before = [weight.copy() for weight in model.get_weights()]
    moved = shift_outside(model, ("O", "B-x", "I-x"), scored)
    assert moved.logits.argmax(axis=1).tolist() == targets.tolist()
    bias = model.get_layer("head").get_layer("logits").bias.numpy()
    assert bias[0] == pytest.approx(-0.75)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert sum(changed) == 1


@pytest.mark.slow
@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_warm_start_knows_its_labels_again(tiny_bert, rows, tmp_path, lora_rank):
    import json

    config = config_of(tiny_bert, epochs=4)
    encoder = find_encoder(config.encoder)
    model, accuracy = trained(config, rows)
    assert accuracy > 0.95
    # What `export` writes of the weights and of the card.
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    tf.saved_model.save(module, str(tmp_path))
    card = {"task": config.task, "labels": list(LABELS)}
    card["encoder"] = {"preset": config.encoder.preset, "sha256": encoder.sha256}
    card["config"] = {"encoder": {}, "training": {"wide": False}}
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "model_card.json").write_text(json.dumps(card), encoding="utf-8")
    # A new label, and the others in another order; the learning rate changes nothing.
    labels = ("new", "high", "low")
    still = config_of(tiny_bert, learning_rate=1e-12, epochs=1, lora_rank=lora_rank)
    texts, ids = rows
    data = examples(still, texts, 2 - ids)
    again = FineTuning(still, encoder, labels, before=str(tmp_path)).run(data, None)
    batch = next(iter(bucket(data, 4096)))
    logits = again(batch["inputs"], training=False)["logits"].numpy()
    assert (logits[:, 1:].argmax(axis=1) + 1 == batch[TARGET].numpy()).mean() > 0.95
    other = config_of(tiny_bert).model_copy(update={"task": "regression"})
    with pytest.raises(EncoderError, match="has task classification, the config regression"):
        FineTuning(other, encoder, (), before=str(tmp_path)).run(data, None)
    # A network of an earlier release may have had other weights.
    module.weights = module.weights[1:]
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(EncoderError, match="an earlier release of livebert made it"):
        FineTuning(still, encoder, labels, before=str(tmp_path)).run(data, None)
