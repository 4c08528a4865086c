"""The mean of weights in place of the last ones: flatter optima, which generalise better.

SWA, the mean over the later epochs (Izmailov et al. 2018); the running mean over steps, EMA, is
Keras' own.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class StochasticWeightAverage(keras.callbacks.Callback):
    """Judge and keep the mean of the weights of the epochs from `first` (counted from 0) on.

    Validation, early stopping and the caller see the mean; training goes on from the weights of
    the epoch. It has to stand before `EarlyStopping` in the list of callbacks.
    """

    def __init__(self, first: int) -> None:
        super().__init__()
        self._first = first
        self._sum: list[Any] | None = None
        self._count = 0
        self._own: list[Any] | None = None

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the mean, this epoch's weights included, in place of the weights."""
        if self._own is not None:
            return
        self._own = self.model.get_weights()
        if self._sum is None:
            self._sum = [np.zeros(weight.shape, np.float64) for weight in self._own]
        if self._epoch < self._first:
            return
        self._count += 1
        for total, weight in zip(self._sum, self._own, strict=True):
            total += weight
        self.model.set_weights([total / self._count for total in self._sum])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the mean in place where no validation did."""
        self.on_test_begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Go on from the weights the last epoch reached."""
        self._epoch = epoch
        if self._own is not None:
            self.model.set_weights(self._own)
            self._own = None
