"""TensorFlow Lite models, where a version has one; the other loader where it has not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model_server.batching.graph import BatchingGraph
from model_server.batching.parameters import BatchingParameters
from model_server.errors import StatusError
from model_server.loaders.background import give_memory_back, leave_processors
from model_server.loaders.finishing import Finishing
from model_server.metrics import Metrics
from model_server.servable import Graph, Servable
from model_server.tflite.session import FILE, TfLiteSession

# The internal batching has TF Serving's sizes.
_MAX_ROWS = 500
_QUEUED_FOR_EACH = 100


@dataclass(frozen=True)
class TfLiteLoader:
    """Loads `model.tflite` into `pools` interpreters; more than one `per_pool` joins requests.

    With N per pool, requests are joined, and large ones split, into batches of the file's own
    batch size, or of a Nth of 500 rows where the file leaves it open.
    """

    pools: int
    per_pool: int
    finishing: Finishing
    otherwise: Callable[[str, int, Path], Servable]

    def __call__(self, name: str, version: int, directory: Path) -> Servable:
        """Load the version in `directory`; runs in a thread of its own.

        Raises:
            StatusError: what TF Serving would report for this version.
        """
        if not (directory / FILE).exists():
            return self.otherwise(name, version, directory)
        leave_processors()
        loaded = TfLiteSession(directory, self.pools)

        def close() -> None:
            leave_processors()
            loaded.close()
            give_memory_back()

        try:
            graph = self._joined(loaded)
            return self.finishing.servable(
                name, version, directory, graph, loaded.definitions, close, prepare=False
            )
        except StatusError:
            close()
            raise

    def _joined(self, loaded: TfLiteSession) -> Graph:
        if self.per_pool <= 1:
            return loaded
        rows = loaded.batch_size if loaded.batch_size > 1 else -(-_MAX_ROWS // self.per_pool)
        parameters = BatchingParameters(
            max_batch_size=_MAX_ROWS,
            max_enqueued_batches=_QUEUED_FOR_EACH * self.pools,
            threads=self.pools,
            split_large_batches=True,
            max_execution_batch_size=min(rows, _MAX_ROWS),
        )
        # TF Serving does not count these batches either: its metrics are of --enable_batching.
        return BatchingGraph(loaded, parameters, Metrics())
