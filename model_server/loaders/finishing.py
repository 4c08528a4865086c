"""The end of every load, whatever the format: batching in front, and warm-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server.batching.graph import BatchingGraph
from model_server.batching.parameters import Batching
from model_server.metrics import Metrics
from model_server.servable import Graph, Servable, read_signatures
from model_server.warmup import WarmUp


@dataclass(frozen=True)
class Finishing:
    """Makes a Servable of a loaded graph."""

    warm_up: WarmUp
    metrics: Metrics
    batching: Batching | None = None

    def servable(
        self,
        name: str,
        version: int,
        directory: Path,
        graph: Graph,
        definitions: Any,
        close: Callable[[], None],
        *,
        prepare: bool,
    ) -> Servable:
        """The version in `directory`, warmed up; `definitions` is its SignatureDefMap.

        `prepare`: without warm-up requests, run it once on no rows before it serves.

        Raises:
            StatusError: a batching file or a warm-up request of the version is not right. The
                graph is left to the caller, who closes it.
        """
        front = graph
        parameters = self.batching.parameters(directory) if self.batching else None
        if parameters is not None:
            front = BatchingGraph(graph, parameters, self.metrics)
        servable = Servable(
            name=name,
            version=version,
            signatures=read_signatures(definitions),
            definitions=definitions,
            graph=front,
            close=close,
            latency=self.metrics.runtime,
        )
        self.warm_up.run(servable, directory, graph if prepare else None)
        return servable
