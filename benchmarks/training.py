"""Measures the training loop: python benchmarks/training.py --data DATA

DATA holds loghub/BGL_2k.log and banking77/train.csv. The same encoder and head learn the same
events twice, in one process: as the Trainer does it with the config in configs/ (batches of like
length, the precision of the processor, its regularisers), and by Keras' own `fit` in float32 on
batches of 32 rows padded to 128. An epoch that builds the graphs goes before the one that counts;
rounds alternate, and the best of each is printed.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}

import keras
import numpy as np
import tensorflow as tf

from tfx_pipeline import config
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.dataset.events import label_events
from tfx_pipeline.dataset.formats import reader
from tfx_pipeline.model.encoder import find_encoder, load_backbone
from tfx_pipeline.model.heads import build_head, width
from tfx_pipeline.preprocessing import Tokenizer
from tfx_pipeline.records import LabelledEvent
from tfx_pipeline.training.batches import TARGET
from tfx_pipeline.training.fine_tuning import FineTuning

ROOT = Path(__file__).resolve().parent.parent
FILES = {"bgl": "loghub/BGL_2k.log", "banking77": "banking77/train.csv"}
_PADDED = 128
_ROWS = 32


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch's batches, validation and callbacks not counted."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[float] = []
        self._began = self._ended = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Remember the last batch."""
        self._ended = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch."""
        self.epochs.append(self._ended - self._began)


def read(loaded: PipelineConfig, file: Path, count: int) -> tuple[list[list[int]], list[int]]:
    """Return the word pieces and label ids of events drawn from a file."""
    rows = label_events(reader(loaded.data.format)(file), loaded, None)
    events = [event for event in rows if isinstance(event, LabelledEvent)]
    drawn = np.random.default_rng(0).permutation(len(events))[:count]
    labels = sorted({str(event.label) for event in events}, reverse=True)
    texts = [events[place].text for place in drawn]
    pieces = Tokenizer.of(loaded)(tf.constant(texts)).to_list()
    return pieces, [labels.index(str(events[place].label)) for place in drawn]


def trainer(loaded: PipelineConfig, pieces: list[list[int]], ids: list[int]) -> float:
    """Return the events a second of the Trainer's loop, its second epoch."""
    training = loaded.training.model_copy(update={"epochs": 2, "checkpoints": False, "folds": 0})
    loaded = loaded.model_copy(update={"training": training})
    examples = tf.data.Dataset.from_tensor_slices(
        {
            "token_ids": tf.ragged.constant(pieces, dtype=tf.int32),
            "text": np.full(len(ids), "", object),
            "weight": np.ones(len(ids), np.float32),
            TARGET: np.array(ids, np.int64),
        }
    ).map(lambda e: {**e, "token_ids": tf.reshape(e["token_ids"], [-1])})
    labels = tuple(str(number) for number in range(max(ids) + 1))
    clock = Clock()
    FineTuning(loaded, find_encoder(loaded.encoder), labels).run(examples, None, [clock])
    return len(ids) / clock.epochs[1]


def plain(loaded: PipelineConfig, pieces: list[list[int]], ids: list[int]) -> float:
    """Return the events a second of Keras' `fit` on padded rows, its second epoch."""
    backbone = load_backbone(find_encoder(loaded.encoder), "float32")
    classes = width(loaded.task, max(ids) + 1)
    head = build_head(backbone, loaded.task, classes, loaded.training.dropout)
    model = keras.Model(head.input, head.output["logits"])
    if classes == 1:
        loss: Any = keras.losses.BinaryCrossentropy(from_logits=True)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(loaded.training.learning_rate), loss)
    token_ids = keras.utils.pad_sequences(pieces, _PADDED, padding="post", truncating="post")
    inputs = {
        "token_ids": token_ids,
        "padding_mask": (token_ids > 0).astype(np.int32),
        "segment_ids": np.zeros_like(token_ids),
    }
    clock = Clock()
    target = np.array(ids, np.float32)
    model.fit(inputs, target, batch_size=_ROWS, epochs=2, verbose=0, callbacks=[clock])
    return len(ids) / clock.epochs[1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of public data")
    parser.add_argument("--events", type=int, default=640, help="drawn of each file")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    print("| data | pieces a text | Trainer, events/s | Keras `fit`, events/s | ratio |")
    print("|---|---|---|---|---|")
    for name, file in FILES.items():
        loaded = config.load(ROOT / "configs" / f"{name}.yaml")
        pieces, ids = read(loaded, given.data / file, given.events)
        ours, theirs = 0.0, 0.0
        for _ in range(given.rounds):
            ours = max(ours, trainer(loaded, pieces, ids))
            theirs = max(theirs, plain(loaded, pieces, ids))
        mean = np.mean([len(row) for row in pieces])
        ratio = f"{ours / theirs:.1f}"
        print(f"| {name} | {mean:.0f} | {ours:.1f} | {theirs:.1f} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
