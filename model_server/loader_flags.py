"""The loader of versions, as the flags ask for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from model_server.errors import StartError
from model_server.flags import Flags
from model_server.loaders.finishing import Finishing
from model_server.loaders.saved_model import SavedModelLoader
from model_server.loaders.tflite import TfLiteLoader
from model_server.servable import Servable
from model_server.session_flags import read_session_options

_INTERPRETER = "ai_edge_litert"


def read_loader(flags: Flags, finishing: Finishing) -> Callable[[str, int, Path], Servable]:
    """What turns a version directory into a Servable.

    Raises:
        StartError: the flags do not fit together, or the interpreter they need is not installed.
    """
    saved_model = SavedModelLoader(read_session_options(flags), finishing)
    if not flags.prefer_tflite_model:
        return saved_model
    if importlib.util.find_spec(_INTERPRETER) is None:
        raise StartError(
            "--prefer_tflite_model needs the TensorFlow Lite interpreter of ai-edge-litert, which "
            "is not installed",
            "install the tflite extra: pip install 'livebert[tflite]'",
        )
    return TfLiteLoader(
        pools=max(flags.num_tflite_pools, 1),
        per_pool=max(flags.num_tflite_interpreters_per_pool, 1),
        finishing=finishing,
        otherwise=saved_model,
    )
