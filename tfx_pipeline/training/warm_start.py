"""Weights of an earlier version as the place to start from, its labels found again by name."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfx_pipeline import features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.errors import EncoderError
from tfx_pipeline.model.encoder import Encoder
from tfx_pipeline.model.lora import own_weights
from tfx_pipeline.progress import log

_CARD = "assets.extra/model_card.json"
# How a tf.Module's list `weights` is named in a checkpoint.
_KEY = "weights/{}/.ATTRIBUTES/VARIABLE_VALUE"


def warm_start(
    network: keras.Model,
    config: PipelineConfig,
    encoder: Encoder,
    labels: Sequence[str],
    version: str,
) -> None:
    """Give a fresh network the weights of a SavedModel that `export` wrote.

    Labels may come, go and change their order: those that both know keep their row of the head,
    new ones start as they were initialised.

    Raises:
        EncoderError: the version is of another task or encoder.
    """
    with tf.io.gfile.GFile(f"{version}/{_CARD}") as file:
        card = json.load(file)
    for name, theirs, ours in (
        ("task", card["task"], config.task),
        ("encoder.preset", card["encoder"]["preset"], config.encoder.preset),
        ("encoder.sha256", card["encoder"]["sha256"], encoder.sha256),
        (
            "encoder.word_shapes",
            card["config"]["encoder"].get("word_shapes", False),
            config.encoder.word_shapes,
        ),
        ("training.wide", card["config"]["training"].get("wide", False), config.training.wide),
    ):
        if theirs != ours:
            raise EncoderError(
                f"training.warm_start: the last blessed model has {name} {theirs}, the config "
                f"{ours}; set training.warm_start: false for one run"
            )
    reader = tf.train.load_checkpoint(f"{version}/variables/variables")
    values, variables = _weights(reader), own_weights(network)
    if len(values) != len(variables):
        raise EncoderError(
            f"training.warm_start: the last blessed model has {len(values)} weights and this one "
            f"{len(variables)}: an earlier release of livebert made it; set "
            "training.warm_start: false for one run"
        )
    kept = [place for place, label in enumerate(labels) if label in card["labels"]]
    was = [card["labels"].index(labels[place]) for place in kept]
    of_labels = config.task in ("classification", "token")
    head = network.get_layer("head").get_layer("logits")
    head_variables = {id(head.kernel), id(head.bias)}
    for variable, value in zip(variables, values, strict=True):
        if "wide/" in variable.path:
            # It is fitted anew, before the training.
            continue
        if of_labels and id(variable) in head_variables:
            value = _rows(variable, value, kept, was)
        variable.assign(value)
    new = sorted(set(labels) - set(card["labels"]) - {features.OUTSIDE}) if of_labels else []
    grown = f", {len(new)} new labels: {', '.join(new[:5])}" if new else ""
    log.info("  from the weights of %s%s", version, grown)


def _weights(reader: Any) -> list[npt.NDArray[np.float32]]:
    """Return a checkpoint's weights in order; the state of random generators is whole numbers."""
    kinds = reader.get_variable_to_dtype_map()
    names = itertools.takewhile(kinds.__contains__, map(_KEY.format, itertools.count()))
    return [
        np.asarray(reader.get_tensor(name), np.float32) for name in names if kinds[name].is_floating
    ]


def _rows(
    variable: Any, value: npt.NDArray[np.float32], kept: Sequence[int], was: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Return a head's weights [d, k] or [k] with the labels of the earlier ones in their places."""
    grown = keras.ops.convert_to_numpy(variable).astype(np.float32)
    grown[..., list(kept)] = value[..., list(was)]
    return grown
