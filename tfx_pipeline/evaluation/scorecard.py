"""The Scorecard component: the candidate on the test split, beside the trivial baselines.

TFMA's Evaluator decides the blessing; the scorecard is what a person reads: exact figures at
the threshold the model will serve with, slice by slice, and the events it got most wrong.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the tokenizer's ops
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, artifact_utils, standard_artifacts
from tfx.utils import path_utils

from tfx_pipeline import export, features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation.baselines import (
    Labelled,
    anomaly_baselines,
    classification_baselines,
)
from tfx_pipeline.evaluation.metrics import anomaly_metrics, as_json, classification_metrics

FILE = "scorecard.json"
_BATCH = 64
_SHOWN = 20


class ScorecardArtifact(Artifact):
    """A directory with `scorecard.json`."""

    TYPE_NAME = "Scorecard"


@component
def Scorecard(  # noqa: N802 - a TFX component is named as a class
    examples: InputArtifact[standard_artifacts.Examples],
    model: InputArtifact[standard_artifacts.Model],
    scorecard: OutputArtifact[ScorecardArtifact],
    config: Parameter[str],
) -> None:
    """Score the test split with the exported model and write `scorecard.json`."""
    parsed = PipelineConfig.model_validate_json(config)
    splits = {
        name: _read(artifact_utils.get_split_uris([examples], name)[0], parsed)
        for name in ("train", "eval", "test")
    }
    result = judge(path_utils.serving_model_path(model.uri), parsed, splits)
    path = Path(scorecard.uri)
    path.mkdir(parents=True, exist_ok=True)
    (path / FILE).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Part:
    """A split: texts, label names, and the features that slices are made of."""

    texts: list[str]
    labels: list[str]
    features: list[dict[str, str]]


def judge(model_path: str, config: PipelineConfig, splits: dict[str, Part]) -> dict[str, Any]:
    """Return the scorecard of a SavedModel as JSON values."""
    card = json.loads((Path(model_path) / "assets.extra" / export.CARD).read_text("utf-8"))
    outputs = predict(model_path, splits["test"].texts)
    numbers = {label: index for index, label in enumerate(card["labels"])}
    ids = {
        name: np.array([numbers.get(label, -1) for label in part.labels], np.int64)
        for name, part in splits.items()
    }
    labelled = {name: Labelled(part.texts, ids[name]) for name, part in splits.items()}
    if config.task == "anomaly":
        threshold = card["thresholds"]["alert"]
        baselines = anomaly_baselines(labelled["train"], labelled["eval"], labelled["test"])

        def figures(rows: npt.NDArray[np.int64]) -> dict[str, float]:
            return anomaly_metrics(outputs["score"][rows], ids["test"][rows] == 1, threshold)
    else:
        predicted = np.array(
            [numbers[label.decode("utf-8")] for label in outputs["label"]], np.int64
        )
        baselines = classification_baselines(labelled["train"], labelled["test"])

        def figures(rows: npt.NDArray[np.int64]) -> dict[str, float]:
            return classification_metrics(predicted[rows], ids["test"][rows])

    everything = np.arange(len(ids["test"]))
    return {
        "name": config.name,
        "task": config.task,
        "split": "test",
        "counts": {name: len(part.texts) for name, part in splits.items()},
        "positives": int((ids["test"] == 1).sum()) if config.task == "anomaly" else None,
        "systems": [
            {"system": "livebert", **as_json(figures(everything))},
            *({"system": name, **as_json(values)} for name, values in baselines.items()),
        ],
        "slices": [
            {"slice": name, "events": len(rows), **as_json(figures(rows))}
            for name, rows in _slices(config.evaluation.slices, splits["test"].features)
        ],
        "mistakes": _mistakes(outputs, splits["test"]),
    }


def predict(model_path: str, texts: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Run `serving_default` over texts, sorted by length; results in the order of the texts."""
    serve = tf.saved_model.load(model_path).signatures[features.SERVING_DEFAULT]
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    for start in range(0, len(order), _BATCH):
        batch = tf.constant([texts[row] for row in order[start : start + _BATCH]])
        for name, value in serve(text=batch).items():
            parts.setdefault(name, []).append(value.numpy())
    back = np.argsort(order)
    return {name: np.concatenate(values)[back] for name, values in parts.items()}


def _read(uri: str, config: PipelineConfig) -> Part:
    texts, labels, columns = [], [], []
    files = sorted(tf.io.gfile.glob(f"{uri}/*"))
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        example = tf.train.Example.FromString(record)
        values = {
            name: feature.bytes_list.value[0].decode("utf-8", "replace")
            for name, feature in example.features.feature.items()
            if feature.bytes_list.value
        }
        texts.append(values[features.TEXT])
        labels.append(values[features.LABEL])
        columns.append({name: values.get(name, "") for name in config.data.features})
    return Part(texts, labels, columns)


def _slices(
    keys: Iterable[Sequence[str]], columns: Sequence[dict[str, str]]
) -> list[tuple[str, npt.NDArray[np.int64]]]:
    found: dict[str, list[int]] = {}
    for names in keys:
        for row, values in enumerate(columns):
            name = ", ".join(f"{key}={values[key]}" for key in names)
            found.setdefault(name, []).append(row)
    return [(name, np.array(rows, np.int64)) for name, rows in sorted(found.items())]


def _mistakes(outputs: dict[str, npt.NDArray[Any]], part: Part) -> list[dict[str, Any]]:
    """Return the wrongly labelled events the model was surest of."""
    wrong = [
        {
            "text": part.texts[row],
            "label": part.labels[row],
            "predicted": outputs["label"][row].decode("utf-8"),
            "score": float(outputs["score"][row]),
        }
        for row in range(len(part.texts))
        if outputs["label"][row].decode("utf-8") != part.labels[row]
    ]
    return sorted(wrong, key=lambda mistake: -abs(mistake["score"] - 0.5))[:_SHOWN]
