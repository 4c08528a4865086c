"""Someone who watches a training while it goes, and may end it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class Watch:
    """Hears of each batch, and what the held-out events say after each epoch or fold.

    This one lets every training go on; one that should end it raises from `batch` or `reached`.
    """

    def batch(self) -> None:
        """Hear that a batch is done."""

    def reached(self, value: float, step: int, steps: int) -> None:
        """Hear the figure, better when higher, after epoch or fold `step`, from 1, of `steps`."""

    def pooled(self, figures: Sequence[float]) -> None:
        """Hear the figure of all folds' held-out events together, after each epoch."""

    def callbacks(self, by_epoch: bool = True) -> list[keras.callbacks.Callback]:
        """Return what tells this watch of a Keras training; with `by_epoch` of its epochs too."""
        return [_Teller(self, by_epoch)]


class _Teller(keras.callbacks.Callback):
    def __init__(self, watch: Watch, by_epoch: bool) -> None:
        super().__init__()
        self._watch = watch
        self._by_epoch = by_epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell of the batch."""
        self._watch.batch()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell the figure of the held-out events: the one that is no loss."""
        if not self._by_epoch:
            return
        for name, value in (logs or {}).items():
            if name.startswith("val_") and name != "val_loss":
                self._watch.reached(float(value), epoch + 1, self.params["epochs"])
