"""SavedModels, loaded into a session."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from model_server.batching.graph import BatchingGraph
from model_server.batching.parameters import Batching
from model_server.errors import FailedPreconditionError, StatusError
from model_server.metrics import Metrics
from model_server.runtime import session
from model_server.runtime.options import SessionOptions
from model_server.servable import Graph, Servable, Signature, parse_signatures
from model_server.warmup import WarmUp

# A load has time: its thread leaves the processors to requests.
_NICE = 15


@dataclass(frozen=True)
class SavedModelLoader:
    """Loads versions as TF Serving does, and warms them up."""

    options: SessionOptions
    warm_up: WarmUp
    metrics: Metrics
    batching: Batching | None = None
    # Set when TensorFlow's process-wide thread pools are there: threads inherit niceness.
    _pools: threading.Event = field(default_factory=threading.Event)

    def __call__(self, name: str, version: int, directory: Path) -> Servable:
        """Load the SavedModel in `directory`; runs in a thread of its own.

        Raises:
            StatusError: what TF Serving would report for this version.
        """
        if self._pools.is_set():
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        loaded = session.load(directory, self.options)
        try:
            graph: Graph = loaded
            parameters = self.batching.parameters(directory) if self.batching else None
            if parameters is not None:
                graph = BatchingGraph(loaded, parameters, self.metrics)
            definitions, signatures = parse_signatures(loaded.signatures)
            _check_variables(loaded, signatures.values())
            servable = Servable(
                name=name,
                version=version,
                signatures=signatures,
                definitions=definitions,
                graph=graph,
                close=lambda: _close(loaded),
                latency=self.metrics.runtime,
            )
            self.warm_up.run(servable, directory, loaded)
            self._pools.set()
        except StatusError:
            _close(loaded)
            raise
        return servable


def _check_variables(loaded: session.Session, signatures: Iterable[Signature]) -> None:
    """Refuse at load what TF Serving would load, and then answer with FAILED_PRECONDITION.

    Such a model may work in Python, whose loader restores what the session's init op does not.
    """
    fetches = [name for signature in signatures for name in signature.outputs.values()]
    unset = sorted(loaded.unset_variables(fetches))
    if unset:
        named = ", ".join(unset[:3]) + (", ..." if len(unset) > 3 else "")
        raise FailedPreconditionError(
            f"{len(unset)} variable(s) hold no value after loading in a session, so TF Serving "
            f"could not run the signatures that read them: {named}. Export the model so that its "
            "restore or init op fills every variable (raw tf.Variables tracked by the module)"
        )


def _close(loaded: session.Session) -> None:
    loaded.close()
    # A version's weights were many allocations: without this the C library keeps the pages.
    ctypes.CDLL(None).malloc_trim(0)
