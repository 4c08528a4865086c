"""GetModelStatus."""

from __future__ import annotations

from typing import Any

from model_server.errors import InvalidArgumentError, NotFoundError
from model_server.versions.states import Board
from serving_client import protos


def model_status(board: Board, request: Any) -> Any:
    """Answer a GetModelStatusRequest. A label is ignored: all versions are listed.

    Raises:
        InvalidArgumentError: no model is named.
        NotFoundError: nothing is known of the model, or of the version.
    """
    if not request.HasField("model_spec"):
        raise InvalidArgumentError("Missing ModelSpec")
    spec = request.model_spec
    states = board.versions(spec.name)
    if spec.WhichOneof("version_choice") == "version":
        states = tuple([state for state in states if state.version == spec.version.value])
        if not states:
            raise NotFoundError(f"Could not find version {spec.version.value} of model {spec.name}")
    if not states:
        raise NotFoundError(f"Could not find any versions of model {spec.name}")
    response = protos.GetModelStatusResponse()
    for state in states:
        entry = response.model_version_status.add(version=state.version, state=int(state.state))
        entry.status.SetInParent()
        if state.error is not None:
            entry.status.error_code = state.error.number
            entry.status.error_message = state.error.message
    return response
