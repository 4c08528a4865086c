"""SavedModels, loaded into a session."""

from __future__ import annotations

import ctypes
from pathlib import Path

from model_server.runtime import session
from model_server.runtime.options import SessionOptions
from model_server.servable import Servable, parse_signatures


def load(name: str, version: int, directory: Path, options: SessionOptions) -> Servable:
    """Load the SavedModel in `directory` as TF Serving does.

    Raises:
        StatusError: what TF Serving would report for this version.
    """
    loaded = session.load(directory, options)
    definitions, signatures = parse_signatures(loaded.signatures)

    def close() -> None:
        loaded.close()
        # A version's weights were many allocations: without this the C library keeps the pages.
        ctypes.CDLL(None).malloc_trim(0)

    return Servable(name, version, signatures, definitions, loaded, close)
