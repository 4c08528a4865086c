"""GetModelMetadata."""

from __future__ import annotations

from typing import Any

from model_server.core.lookup import Lookup
from model_server.errors import InvalidArgumentError
from serving_client import protos

SIGNATURE_DEF = "signature_def"


def model_metadata(lookup: Lookup, request: Any) -> Any:
    """Answer a GetModelMetadataRequest.

    Raises:
        StatusError: no such field, model or version.
    """
    if not request.metadata_field:
        raise InvalidArgumentError(
            "GetModelMetadataRequest must specify at least one metadata_field"
        )
    for field in request.metadata_field:
        if field != SIGNATURE_DEF:
            raise InvalidArgumentError(f"Metadata field {field} is not supported")
    with lookup.lend(request) as servable:
        response = protos.GetModelMetadataResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.metadata[SIGNATURE_DEF].Pack(servable.definitions)
        return response
