"""A model that refuses poison, served: in this process, or in one of its own that can be killed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.services.process import ROOT, Service
from serving_client.errors import InvalidArgumentError
from serving_client.testing import FakeServer

OUTPUTS = {"label": "string[?]", "score": "float[?]"}


def detector(inputs: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Refuses a whole batch that holds `poison`."""
    if any(b"poison" in text for text in inputs["text"]):
        raise InvalidArgumentError("the text is poison")
    many = len(inputs["text"])
    return {"label": [b"normal"] * many, "score": [0.1] * many}


def broken(inputs: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Refuses everything."""
    raise InvalidArgumentError("the new version does not work")


def model_server(model: Callable[..., Any] = detector, port: int = 0) -> FakeServer:
    """The model `m`, version 1; not started."""
    server = FakeServer(port=port)
    server.add("m", model, outputs=OUTPUTS)
    return server


class ModelProcess(Service):
    """The same as a process."""

    def command(self) -> Sequence[str]:
        """This file."""
        return [sys.executable, str(Path(__file__)), str(self.port)]

    def environment(self) -> dict[str, str]:
        """Where our packages are."""
        return {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


if __name__ == "__main__":
    with model_server(port=int(sys.argv[1])):
        threading.Event().wait()
