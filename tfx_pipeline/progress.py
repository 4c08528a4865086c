"""What a person sees of a run: one logger for our own lines, everything else goes to a file."""

from __future__ import annotations

import logging
import time
from typing import Any

import keras

log = logging.getLogger("tfx_pipeline.progress")

_EVERY_SECONDS = 5.0


class EpochProgress(keras.callbacks.Callback):
    """Log epoch, step, loss and time left every few seconds, and a line as each epoch ends."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._steps = steps
        self._epoch = 0
        self._started = self._said = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._started = self._said = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Say where the training stands, if it is time."""
        now = time.monotonic()
        done = self._epoch * self._steps + batch
        if done == 0:
            # The first batch builds the graph: it says nothing about the others' pace.
            self._started = now
            return
        if now - self._said < _EVERY_SECONDS:
            return
        self._said = now
        left = (now - self._started) / done * (self._epochs * self._steps - done - 1)
        log.info(
            "  epoch %d/%d, batch %d/%d, loss %.4f, about %.0f s left",
            self._epoch + 1,
            self._epochs,
            batch + 1,
            self._steps,
            (logs or {}).get("loss", float("nan")),
            left,
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Say what the epoch reached."""
        reached = ", ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        log.info("  epoch %d/%d done: %s", epoch + 1, self._epochs, reached)
