"""Hands over to TF Serving's own binary, which takes the same flags."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from typing import NoReturn

from model_server.errors import StartError
from model_server.flags import Flags

BINARY = "tensorflow_model_server"
ENGINES = ("livebert", "tensorflow_serving")
_OWN = {field.name for field in dataclasses.fields(Flags) if field.metadata["own"]}


def run_tensorflow_serving(arguments: Sequence[str]) -> NoReturn:
    """Become TF Serving, with every argument that is not a flag of ours alone.

    Raises:
        StartError: there is no such binary on the PATH.
    """
    binary = shutil.which(BINARY)
    if binary is None:
        raise StartError(
            f"--engine=tensorflow_serving: {BINARY} is not on the PATH",
            "install TF Serving, use its image tensorflow/serving, or leave --engine out",
        )
    theirs = [a for a in arguments if a.removeprefix("--").partition("=")[0] not in _OWN]
    os.execv(binary, [binary, *theirs])  # noqa: S606 - the user's own binary and arguments
