"""Batching as the flags ask for it."""

from __future__ import annotations

from model_server.batching.parameters import Batching, BatchingParameters, read_parameters
from model_server.errors import InvalidArgumentError, StartError
from model_server.flags import Flags


def read_batching(flags: Flags) -> Batching | None:
    """None when batching is off.

    Raises:
        StartError: the flags do not fit together, or the file says something impossible.
    """
    if not flags.enable_batching:
        if flags.batching_parameters_file or flags.enable_per_model_batching_parameters:
            raise StartError(
                "server_options.batching_parameters_file is set without enable_batching",
                "add --enable_batching",
            )
        return None
    shared = BatchingParameters()
    if flags.batching_parameters_file:
        try:
            shared = read_parameters(flags.batching_parameters_file)
        except InvalidArgumentError as error:
            raise StartError(
                f"{error.code}: {error.message}", f"correct {flags.batching_parameters_file}"
            ) from error
    return Batching(shared, per_model=flags.enable_per_model_batching_parameters)
