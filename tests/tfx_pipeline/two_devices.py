"""Trainings on two logical CPUs, and the same ones on one device: `two_devices.py PRESET FOLDER`.

Prints what they came to as JSON. It is a process of its own: how many devices there are has to be
said before TensorFlow starts.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
# The trainings are so small that they would take less time than to make their graphs better.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

from tfx_pipeline import export  # noqa: E402
from tfx_pipeline.config import PipelineConfig  # noqa: E402
from tfx_pipeline.model.encoder import find_encoder  # noqa: E402
from tfx_pipeline.preprocessing import Tokenizer  # noqa: E402
from tfx_pipeline.training import fine_tuning  # noqa: E402
from tfx_pipeline.training.batches import TARGET, bucket  # noqa: E402

LABELS = {"classification": ("low", "high"), "token": ("O", "B-x", "I-x")}


def texts_of(count: int) -> tuple[list[str], list[int]]:
    """Return texts whose letters tell their labels, the last in a batch by itself: it is long."""
    random = np.random.default_rng(0)
    ids = random.integers(0, 2, count - 1).tolist()
    texts = ["".join(random.choice(list("yz" if high else "ab"), 6)) for high in ids]
    return [*texts, "abba" * 6], [*ids, 0]


def examples(config: PipelineConfig, count: int) -> tf.data.Dataset:
    texts, ids = texts_of(count)
    targets: Any = ids
    if config.task == "token":
        # [CLS] and [SEP] have no tag; all letters of a text but its first have one.
        targets = [
            [-1, 0, *[2 * high] * (len(text) - 1), -1]
            for text, high in zip(texts, ids, strict=True)
        ]
    weights = np.linspace(0.5, 1.5, count).astype(np.float32)
    ragged = {
        "token_ids": Tokenizer.of(config)(tf.constant(texts)),
        TARGET: tf.ragged.constant(targets, tf.int64),
    }
    whole = tf.data.Dataset.from_tensor_slices({"text": texts, "weight": weights, **ragged})
    shapes = {"token_ids": [-1], TARGET: [-1] if config.task == "token" else []}
    return whole.map(
        lambda e: {**e, **{name: tf.reshape(e[name], shape) for name, shape in shapes.items()}}
    )


class Losses(keras.callbacks.Callback):
    """Keeps the loss of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []

    def on_epoch_end(self, epoch, logs=None):
        self.found.append(float(logs["loss"]))


def trained(
    preset: str,
    task: str,
    rows: int,
    devices: int,
    state: Path | None = None,
    **training: object,
) -> dict[str, Any]:
    """Return the losses, the logits, and how far the devices' weights are apart.

    With `state`, a folder for checkpoints, each epoch is validated too, and `served` says how far
    the logits of the model as it is exported are from those of the trained one.
    """
    values = {"learning_rate": 3e-3, "precision": "float32", **training}
    config = PipelineConfig.model_validate(
        {
            "name": "tiny",
            "task": task,
            "encoder": {"preset": preset, "max_length": 32},
            "training": {"patience": 0, **values},
            "serving": {"precision": "float32"},
        }
    )
    keras.utils.set_random_seed(1)
    data, encoder = examples(config, rows), find_encoder(config.encoder)
    tuning = fine_tuning.FineTuning(config, encoder, LABELS[task], state)
    one = mock.patch.object(fine_tuning, "strategy", tf.distribute.get_strategy)
    with one if devices == 1 else contextlib.nullcontext():
        losses = Losses()
        model = tuning.run(data, data if state else None, [losses])
    batch = next(iter(bucket(data, 4096)))["inputs"]
    logits = model(batch, training=False)["logits"].numpy()
    copies = [getattr(variable.value, "values", [variable.value]) for variable in model.variables]
    found = {
        "losses": losses.found,
        "logits": logits.tolist(),
        "copies": sorted({len(values) for values in copies}),
        "apart": max(float(np.abs(v[0].numpy() - v[-1].numpy()).max()) for v in copies),
    }
    if state is not None:
        served = export.serving_network(config, encoder, model)(batch)["logits"].numpy()
        found["served"] = float(np.abs(logits - served).max())
    return found


def without_dropout(preset: str, copy: Path) -> str:
    """Copy a preset, its encoder without dropout: nothing in its training is random."""
    shutil.copytree(preset, copy)
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config["config"]["dropout"] = 0.0
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(copy)


def main(preset: str, folder: Path) -> None:
    still = without_dropout(preset, folder / "still")
    # 39 short texts and a long one: two batches an epoch, the same ones however they are shuffled.
    fixed = {"batch_tokens": 4096, "epochs": 4, "dropout": 0.0, "clip_norm": 0.05}
    steps = {"adversarial": 0.3, "accumulate": 2, "average": "swa"}
    pairs: dict[str, dict[str, Any]] = {
        "classification": {"task": "classification", **fixed, **steps},
        "token": {"task": "token", **fixed},
    }
    found: dict[str, Any] = {
        name: [trained(still, rows=40, devices=n, **options) for n in (1, 2)]
        for name, options in pairs.items()
    }
    # Nothing is learned: the loss is the disagreement of the passes and hardly anything else.
    apart = {"r_drop": 1000.0, "dropout": 0.5, "learning_rate": 1e-12, "epochs": 1}
    found["r_drop"] = [
        trained(still, "classification", 160, n, batch_tokens=512, **apart) for n in (1, 2)
    ]
    every = {"r_drop": 1.0, "dropout_samples": 2, "adversarial": 0.3, "average": "ema"}
    every |= {"ema_decay": 0.5, "epochs": 3, "batch_tokens": 128, "precision": "float16"}
    found["every"] = trained(preset, "classification", 80, 2, folder / "state", **every)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
