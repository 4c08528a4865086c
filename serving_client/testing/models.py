"""The test server's models: Python functions with versions, labels and states. No gRPC here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving_client import protos
from serving_client.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    from_code,
)
from serving_client.results import DEFAULT_SIGNATURE
from serving_client.testing.specs import tensor_info

# numpy arrays by input name in, array-likes by output name out.
ModelFunction = Callable[[dict[str, Any]], Mapping[str, Any]]


@dataclass
class Version:
    """One version: its functions by signature, and what the server says of it."""

    number: int
    functions: dict[str, ModelFunction] = field(default_factory=dict)
    definitions: Any = field(default_factory=protos.SignatureDefMap)
    state: str = "AVAILABLE"
    error_code: str = "OK"
    error_message: str = ""


@dataclass
class Model:
    """All versions and labels of one model."""

    versions: dict[int, Version] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)


class ModelStore:
    """What the test server serves. Safe across threads."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._lock = threading.RLock()

    def add(
        self,
        model: str,
        function: ModelFunction,
        version: int,
        signature: str,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        method: str,
    ) -> None:
        """Add one signature of one version; the version is AVAILABLE from then on."""
        with self._lock:
            entry = self._models.setdefault(model, Model())
            found = entry.versions.setdefault(version, Version(version))
            found.state = "AVAILABLE"
            found.functions[signature] = function
            definition = found.definitions.signature_def[signature]
            definition.method_name = f"tensorflow/serving/{method}"
            for name, spec in inputs.items():
                definition.inputs[name].CopyFrom(tensor_info(name, spec))
            for name, spec in outputs.items():
                definition.outputs[name].CopyFrom(tensor_info(name, spec))

    def set_state(
        self, model: str, version: int, state: str, error_code: str, error_message: str
    ) -> None:
        """Say that a version is loading, or failed; makes the version known if it was not."""
        with self._lock:
            entry = self._models.setdefault(model, Model())
            found = entry.versions.setdefault(version, Version(version))
            found.state, found.error_code = state, error_code
            found.error_message = error_message

    def set_label(self, model: str, label: str, version: int) -> None:
        """Point a label at a version."""
        with self._lock:
            self._models.setdefault(model, Model()).labels[label] = version

    def find(self, spec: Any) -> Version:
        """The version that answers a ModelSpec, or TF Serving's error for it."""
        with self._lock:
            if not spec.name:
                raise InvalidArgumentError("ModelSpec has no name specified.")
            entry = self._models.get(spec.name, Model())
            choice = spec.WhichOneof("version_choice")
            if choice == "version_label":
                if spec.version_label not in entry.labels:
                    raise InvalidArgumentError(
                        f"Unrecognized servable version label: {spec.version_label}"
                    )
                number = entry.labels[spec.version_label]
            elif choice == "version":
                number = spec.version.value
            else:
                serving = [v.number for v in entry.versions.values() if v.state == "AVAILABLE"]
                if not serving:
                    raise NotFoundError(f"Servable not found for request: Latest({spec.name})")
                number = max(serving)
            found = entry.versions.get(number)
            if found is None or found.state != "AVAILABLE":
                raise NotFoundError(
                    f"Servable not found for request: Specific({spec.name}, {number})"
                )
            return found

    def versions(self, spec: Any) -> list[Version]:
        """The versions GetModelStatus lists, highest first."""
        with self._lock:
            entry = self._models.get(spec.name, Model())
            if spec.WhichOneof("version_choice") == "version":
                number = spec.version.value
                if number not in entry.versions:
                    raise NotFoundError(f"Could not find version {number} of model {spec.name}")
                return [entry.versions[number]]
            if not entry.versions:
                raise NotFoundError(f"Could not find any versions of model {spec.name}")
            return [entry.versions[number] for number in sorted(entry.versions, reverse=True)]

    def reload(self, config: Any) -> None:
        """Apply a ModelServerConfig: labels and version policies, of functions added before.

        Models not listed end; a listed model without functions is an error, as one without files
        would be. TF Serving's default policy keeps the latest version only; so does this.
        """
        if config.WhichOneof("config") != "model_config_list":
            raise InvalidArgumentError(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        listed = {each.name: each for each in config.model_config_list.config}
        with self._lock:
            for name, each in listed.items():
                self._check_labels(name, each)
            for name, entry in self._models.items():
                wanted = _wanted(entry, listed[name]) if name in listed else set()
                for version in entry.versions.values():
                    if version.functions:
                        version.state = "AVAILABLE" if version.number in wanted else "END"
                entry.labels = dict(listed[name].version_labels) if name in listed else {}
            unknown = sorted(set(listed) - set(self._models))
        if unknown:
            raise from_code(
                "UNKNOWN", f"{len(unknown)} model(s) did not become available: {unknown}"
            )

    def _check_labels(self, name: str, config: Any) -> None:
        entry = self._models.get(name, Model())
        for number in config.version_labels.values():
            version = entry.versions.get(number)
            if version is None or version.state != "AVAILABLE":
                raise FailedPreconditionError(
                    f"Request to assign label to version {number} of model {name}, "
                    "which is not currently available for inference"
                )


def _wanted(entry: Model, config: Any) -> set[int]:
    policy = config.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    numbers = sorted(entry.versions)
    if choice == "specific":
        return set(policy.specific.versions)
    if choice == "all":
        return set(numbers)
    return set(numbers[-max(1, policy.latest.num_versions) :])


def signature_of(version: Version, name: str) -> tuple[str, ModelFunction]:
    """The function of a signature; the error is Predict's."""
    wanted = name or DEFAULT_SIGNATURE
    if wanted not in version.functions:
        raise FailedPreconditionError(f'Serving signature key "{wanted}" not found.')
    return wanted, version.functions[wanted]
