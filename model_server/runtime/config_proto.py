"""TensorFlow's ConfigProto message, without TensorFlow's Python.

The messages are plain modules inside the package, but importing any of them would run the package's
own `__init__`, which takes twelve seconds and 700 MB.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

_PACKAGE = "tensorflow"


def config_proto() -> Any:
    """The message class.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    module = f"{_PACKAGE}.core.protobuf.config_pb2"
    if _PACKAGE in sys.modules:
        return importlib.import_module(module).ConfigProto
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{_PACKAGE} is not installed")
    before = set(sys.modules)
    sys.modules[_PACKAGE] = stand_in = ModuleType(_PACKAGE)
    stand_in.__path__ = list(spec.submodule_search_locations)
    try:
        return importlib.import_module(module).ConfigProto
    finally:
        # Whoever imports the package itself later must get all of it.
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == _PACKAGE:
                del sys.modules[name]
