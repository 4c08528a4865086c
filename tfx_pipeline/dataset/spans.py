"""Spans on disk: gzip TFRecords of tf.Example under `<spans>/span-<N>/<split>/`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import tensorflow as tf

from tfx_pipeline.config import SPLITS
from tfx_pipeline.dataset.rejected import REJECTED, write_rejected
from tfx_pipeline.errors import DataError
from tfx_pipeline.records import LabelledEvent, RejectedRow

_FILE = "events-00000-of-00001.gz"


def write_span(
    spans: Path,
    number: int,
    events: dict[str, list[LabelledEvent]],
    rejected: Iterable[RejectedRow],
    summary: dict[str, object],
) -> Path:
    """Write one span; it appears under its name only when it is whole.

    Raises:
        DataError: a span of that number is there already.
    """
    target = spans / f"span-{number}"
    if target.exists():
        raise DataError(f"{target} is there already; choose another --span, or remove it")
    draft = spans / f".span-{number}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for split in SPLITS:
        folder = draft / split
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / _FILE), options) as writer:
            for event in events[split]:
                writer.write(to_example(event).SerializeToString(deterministic=True))
    write_rejected(draft / REJECTED, rejected)
    (draft / "import.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    draft.rename(target)
    return target


def to_example(event: LabelledEvent) -> tf.train.Example:
    """Build the tf.Example of one event: bytes[1] features, `event_time` int64[1]."""
    features = {name: _bytes(value) for name, value in event.features.items()}
    features["text"] = _bytes(event.text)
    features["label"] = _bytes(event.label)
    features["event_id"] = _bytes(event.event_id)
    if event.event_time is not None:
        times = tf.train.Int64List(value=[event.event_time])
        features["event_time"] = tf.train.Feature(int64_list=times)
    if event.weight is not None:
        weights = tf.train.FloatList(value=[event.weight])
        features["weight"] = tf.train.Feature(float_list=weights)
    return tf.train.Example(features=tf.train.Features(feature=features))


def read_examples(pattern: str) -> Iterator[tf.train.Example]:
    """Read the examples of every gzip TFRecord file that matches a glob, in file order."""
    for path in sorted(tf.io.gfile.glob(pattern)):
        for record in tf.data.TFRecordDataset(path, compression_type="GZIP").as_numpy_iterator():
            yield tf.train.Example.FromString(record)


def _bytes(text: str) -> tf.train.Feature:
    value = text.encode("utf-8", "replace")
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
