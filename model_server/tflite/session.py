"""A model.tflite with as many interpreters as requests that run at once."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_server.errors import DeadlineExceededError, PermissionDeniedError
from model_server.runtime.tensor import Tensor
from model_server.tflite.interpreter import Interpreter
from model_server.tflite.signatures import find_definitions

FILE = "model.tflite"


class TfLiteSession:
    """A loaded model: feeds and fetches by tensor name, as of a TensorFlow session.

    Safe to run from many threads at once; `close` only when none is running. `definitions` is the
    SignatureDefMap; `batch_size` is dimension 0 of the only input in the file, 0 where there are
    several inputs or a scalar.
    """

    def __init__(self, directory: Path, interpreters: int) -> None:
        """Load `model.tflite` in `directory` into each of the `interpreters`.

        Raises:
            StatusError: the file is not a model, or the interpreter cannot run it.
        """
        try:
            content = (directory / FILE).read_bytes()
        except OSError as error:
            raise PermissionDeniedError(f"{directory / FILE}: {error.strerror}") from error
        first = Interpreter(content)
        self.definitions: Any = find_definitions(content, first.inputs, first.outputs)
        sizes = [[dim.size for dim in info.tensor_shape.dim] for info in first.inputs.values()]
        self.batch_size = sizes[0][0] if len(sizes) == 1 and sizes[0] else 0
        # The one that ran last is taken first: its memory is warm, and has the shape of late.
        self._free: queue.LifoQueue[Interpreter] = queue.LifoQueue()
        self._free.put(first)
        for _ in range(interpreters - 1):
            self._free.put(Interpreter(content))

    def run(
        self,
        feeds: Sequence[tuple[str, Tensor]],
        fetches: Sequence[str],
        timeout_ms: int | None = None,
    ) -> list[Tensor]:
        """Run once and return the fetched tensors in order. A run that has begun is not stopped.

        Raises:
            StatusError: the inputs do not fit the model.
            DeadlineExceededError: no interpreter became free within `timeout_ms`.
        """
        try:
            interpreter = self._free.get(timeout=None if timeout_ms is None else timeout_ms / 1000)
        except queue.Empty as error:
            raise DeadlineExceededError("Timed out waiting for notification") from error
        try:
            return interpreter.run(feeds, fetches)
        finally:
            self._free.put(interpreter)

    def close(self) -> None:
        """Give the memory back. The session must not be running."""
        self._free = queue.LifoQueue()
