"""What a training reached epoch by epoch, in a file from which the review draws its curves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfx_pipeline import features
from tfx_pipeline.training.watching import Watch


class History(Watch):
    """Keeps the figures of one training, or of those of all folds.

    Args:
        metric: the main metric of the task.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._trainings: list[dict[int, dict[str, float]]] = []
        self._pooled: Sequence[float] = ()

    def pooled(self, figures: Sequence[float]) -> None:
        """Hear the folds' figure after each epoch."""
        self._pooled = figures

    def callbacks(self, by_epoch: bool = True) -> list[keras.callbacks.Callback]:
        """Return what hears of one more training."""
        self._trainings.append({})
        return [*super().callbacks(by_epoch), _Keeper(self._trainings[-1])]

    def rows(self) -> list[dict[str, float]]:
        """Return each epoch's figures, the mean over the trainings that reached it."""
        rows = []
        for epoch in sorted({epoch for training in self._trainings for epoch in training}):
            found = [training[epoch] for training in self._trainings if epoch in training]
            row = {"epoch": epoch} | {
                name: float(np.mean([one[name] for one in found])) for name in found[0]
            }
            if epoch < len(self._pooled):
                row[f"val_{self._metric}"] = self._pooled[epoch]
            rows.append(row)
        return rows

    def write(self, folder: str) -> None:
        """Write the file; nothing where everything had been trained before."""
        rows = self.rows()
        if not rows:
            return
        tf.io.gfile.makedirs(folder)
        with tf.io.gfile.GFile(f"{folder}/{features.HISTORY}", "w") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


class _Keeper(keras.callbacks.Callback):
    def __init__(self, kept: dict[int, dict[str, float]]) -> None:
        super().__init__()
        self._kept = kept

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the epoch's figures."""
        self._kept[epoch] = {name: float(value) for name, value in (logs or {}).items()}
