"""The configuration a server is told to take over: models, versions, labels. Frozen values.

    config = ServerConfig.from_text(path.read_text())
    config = config.with_label("sentiment", "stable", 7).pin("sentiment", 6, 7)
    client.reload(config)

HandleReloadConfigRequest replaces the *whole* configuration and no RPC tells the present one, so
keep it in a file (`from_text` and `to_text` use TF Serving's own `model_config_file` format).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serving_client import protos
from serving_client.errors import InputError


@dataclass(frozen=True)
class ServedModel:
    """One model of a server.

    `versions` pins exactly these; otherwise the `latest` highest ones are served, or all of them
    with `latest=0`. `labels` point to versions. `rest` is what else a configuration file says of
    the model (request logging), serialised: it is carried along as it is.
    """

    name: str
    base_path: str
    versions: tuple[int, ...] = ()
    latest: int = 1
    labels: Mapping[str, int] = field(default_factory=dict)
    platform: str = "tensorflow"
    rest: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("a served model needs a name")
        if not self.base_path.startswith("/") and "://" not in self.base_path:
            raise InputError(f"model {self.name}: base_path {self.base_path!r} is not absolute")
        if self.latest < 0:
            raise InputError(f"model {self.name}: latest must not be negative")


@dataclass(frozen=True)
class ServerConfig:
    """The models of a server, names unique."""

    models: tuple[ServedModel, ...] = ()

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"model {name} is listed twice")

    def __getitem__(self, name: str) -> ServedModel:
        for model in self.models:
            if model.name == name:
                return model
        names = ", ".join(model.name for model in self.models) or "none"
        raise InputError(f"no model {name!r} in the configuration; there are: {names}")

    def with_model(self, model: ServedModel) -> ServerConfig:
        """With `model` added, or in place of the one of that name."""
        if any(each.name == model.name for each in self.models):
            models = tuple(model if each.name == model.name else each for each in self.models)
            return ServerConfig(models)
        return ServerConfig((*self.models, model))

    def without_model(self, name: str) -> ServerConfig:
        """Without a model: the server unloads it."""
        gone = self[name]
        return ServerConfig(tuple(each for each in self.models if each is not gone))

    def pin(self, name: str, *versions: int) -> ServerConfig:
        """Serve exactly these versions of a model; without any, the latest one again."""
        return self.with_model(dataclasses.replace(self[name], versions=versions, latest=1))

    def with_label(self, name: str, label: str, version: int | None) -> ServerConfig:
        """Point a label at a version, or remove it with None.

        The server refuses a label on a version that is not AVAILABLE at that moment.
        """
        model = self[name]
        labels = {key: value for key, value in model.labels.items() if key != label}
        if version is not None:
            labels[label] = version
        return self.with_model(dataclasses.replace(model, labels=labels))

    @classmethod
    def from_text(cls, text: str) -> ServerConfig:
        """Read a `model_config_file`. InputError gives line and column of a mistake.

        A file without `model_config_list` is one: taken over, it would unload everything.
        """
        from google.protobuf import text_format  # heavy, and seldom needed

        try:
            message = text_format.Parse(
                text, protos.ModelServerConfig(), descriptor_pool=protos.POOL
            )
        except text_format.ParseError as error:
            raise InputError(f"not a model_config_file: {error}") from error
        if message.WhichOneof("config") != "model_config_list":
            raise InputError("not a model_config_file: it has no model_config_list")
        return cls(tuple(_from_proto(each) for each in message.model_config_list.config))

    def to_text(self) -> str:
        """As a `model_config_file`."""
        from google.protobuf import text_format

        return str(text_format.MessageToString(self.to_proto()))

    def to_proto(self) -> Any:
        """The ModelServerConfig message."""
        message = protos.ModelServerConfig()
        message.model_config_list.SetInParent()
        for model in self.models:
            each = message.model_config_list.config.add()
            each.MergeFromString(model.rest)
            each.name, each.base_path = model.name, model.base_path
            each.model_platform = model.platform
            each.version_labels.update(model.labels)
            if model.versions:
                each.model_version_policy.specific.versions.extend(model.versions)
            elif model.latest == 0:
                each.model_version_policy.all.SetInParent()
            elif model.latest != 1:
                each.model_version_policy.latest.num_versions = model.latest
        return message


def _from_proto(message: Any) -> ServedModel:
    policy = message.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    rest = protos.ModelConfig()
    rest.CopyFrom(message)
    for known in ("name", "base_path", "model_platform", "model_version_policy", "version_labels"):
        rest.ClearField(known)
    return ServedModel(
        name=message.name,
        base_path=message.base_path,
        versions=tuple(policy.specific.versions) if choice == "specific" else (),
        latest=0 if choice == "all" else max(1, policy.latest.num_versions),
        labels=dict(message.version_labels),
        platform=message.model_platform or "tensorflow",
        rest=rest.SerializeToString(),
    )
