"""Text protos on the command line, and what a ModelServerConfig says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from model_server.configuration import (
    PLATFORM,
    All,
    Latest,
    ModelConfig,
    Policy,
    ServerConfig,
    Specific,
)
from model_server.errors import InvalidArgumentError, StartError
from serving_client import protos


def read_text_proto(path: str, message: Any) -> Any:
    """Fill `message` from the text proto in the file `path` and return it.

    Raises:
        StartError: the file cannot be read, or is not such a text proto.
    """
    try:
        return text_format.Parse(
            Path(path).read_text("utf-8"), message, descriptor_pool=protos.POOL
        )
    except text_format.ParseError as error:
        kind = message.DESCRIPTOR.full_name
        print(f"Error parsing text-format {kind}: {error}", file=sys.stderr, flush=True)
        raise StartError(
            f"Invalid protobuf file: '{path}'", "correct the line named above"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"Invalid protobuf file: '{path}'", str(error)) from error


def read_server_config(message: Any) -> ServerConfig:
    """The models that a ModelServerConfig lists.

    Raises:
        InvalidArgumentError: it lists none in the way that this server knows, or one wrongly.
    """
    if message.WhichOneof("config") == "custom_model_config":
        raise InvalidArgumentError(
            "ServerModelConfig type not supported. Only ModelConfigList is currently supported"
        )
    models: dict[str, ModelConfig] = {}
    for entry in message.model_config_list.config:
        if entry.name in models:
            raise InvalidArgumentError(
                f"Illegal to list model {entry.name} multiple times in config list"
            )
        models[entry.name] = _model(entry)
    return ServerConfig(models)


def _model(entry: Any) -> ModelConfig:
    platform = entry.model_platform
    if platform and entry.model_type:
        raise InvalidArgumentError(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and "
            f"ModelServerConfig::model_platform, model name is {entry.name}"
        )
    if not platform and not entry.model_type:
        raise InvalidArgumentError(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {entry.name}"
        )
    if platform and platform != PLATFORM:
        raise InvalidArgumentError(f"Model {entry.name} requests unsupported platform {platform}")
    if entry.HasField("logging_config"):
        raise InvalidArgumentError("No request-logger-creator provided.")
    return ModelConfig(
        name=entry.name,
        base_path=entry.base_path,
        policy=_policy(entry.model_version_policy),
        labels=dict(entry.version_labels),
    )


def _policy(message: Any) -> Policy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return All()
    if choice == "specific":
        return Specific(frozenset(message.specific.versions))
    return Latest(max(message.latest.num_versions, 1))
