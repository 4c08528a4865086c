"""SavedModels, loaded into a session."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_server.errors import FailedPreconditionError, StatusError
from model_server.loaders.background import give_memory_back, leave_processors
from model_server.loaders.finishing import Finishing
from model_server.runtime import session
from model_server.runtime.options import SessionOptions
from model_server.servable import Servable, read_definitions


@dataclass(frozen=True)
class SavedModelLoader:
    """Loads versions as TF Serving does, and warms them up."""

    options: SessionOptions
    finishing: Finishing
    # Set when TensorFlow's process-wide thread pools are there: threads inherit niceness.
    _pools: threading.Event = field(default_factory=threading.Event)

    def __call__(self, name: str, version: int, directory: Path) -> Servable:
        """Load the SavedModel in `directory`; runs in a thread of its own.

        Raises:
            StatusError: what TF Serving would report for this version.
        """
        gently = self._pools.is_set()
        if gently:
            leave_processors()
        loaded = session.load(directory, self.options, in_caller=gently)

        def close() -> None:
            leave_processors()
            loaded.close()
            give_memory_back()

        try:
            definitions = read_definitions(loaded.signatures)
            _check_state(loaded, definitions)
            servable = self.finishing.servable(
                name, version, directory, loaded, definitions, close, prepare=not loaded.writes
            )
            loaded.in_caller = False
            self._pools.set()
        except StatusError:
            close()
            raise
        return servable


def _check_state(loaded: session.Session, definitions: Any) -> None:
    """Refuse at load what TF Serving would load, and then answer with FAILED_PRECONDITION.

    Such a model may work in Python, whose loader restores what the session's init op does not.
    """
    fetches = [
        info.name
        for definition in definitions.signature_def.values()
        for info in definition.outputs.values()
    ]
    unset = sorted(loaded.unset_state(fetches))
    if unset:
        named = ", ".join(unset[:3]) + (", ..." if len(unset) > 3 else "")
        raise FailedPreconditionError(
            f"{len(unset)} variable(s) or table(s) hold no value after loading in a session, so TF "
            f"Serving could not run the signatures that read them: {named}. Export the model so "
            "that its restore or init op fills every one of them (raw tf.Variables tracked by the "
            "module; in TensorFlow 1, main_op=tf.tables_initializer())"
        )
