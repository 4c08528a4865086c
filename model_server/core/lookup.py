"""From a request's ModelSpec to a loaded version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_server.errors import InvalidArgumentError
from model_server.versions.manager import Lease, Manager


class Lookup:
    """Finds versions by number, by label, or the latest. `labels` is replaced as a whole."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self.labels: Mapping[str, Mapping[str, int]] = {}

    def lend(self, request: Any) -> Lease:
        """The version that `request.model_spec` asks for.

        Raises:
            InvalidArgumentError: no spec, no name, or a label that is not set.
            NotFoundError: the version does not serve now.
        """
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        return self.lend_spec(request.model_spec)

    def lend_spec(self, spec: Any) -> Lease:
        """As `lend`, for the ModelSpec itself."""
        if not spec.name:
            raise InvalidArgumentError("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        version = None
        if choice == "version":
            version = spec.version.value
        elif choice == "version_label":
            version = self.labels.get(spec.name, {}).get(spec.version_label)
            if version is None:
                raise InvalidArgumentError(
                    f"Unrecognized servable version label: {spec.version_label}"
                )
        return self._manager.lend(spec.name, version)
