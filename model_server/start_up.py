"""What can be said about the models before any of them is loaded."""

from __future__ import annotations

from collections.abc import Iterable

from model_server.configuration import ModelConfig, ServerConfig
from model_server.errors import StartError
from model_server.versions.discovery import find_versions


def check_base_paths(models: Iterable[ModelConfig], poll_seconds: float) -> None:
    """Refuse to start where waiting could not help.

    Raises:
        StartError: a base path is missing or unreadable, it is empty and never looked at again, or
            none is ever looked at.
    """
    if poll_seconds < 0:
        raise StartError(
            "--file_system_poll_wait_seconds is negative: no model is ever looked for",
            "0 looks once, a positive number again and again",
        )
    for model in models:
        try:
            versions = find_versions(model.base_path, warn=lambda _: None)
        except OSError as error:
            raise StartError(
                f"the base path of model {model.name} cannot be read: {model.base_path}: "
                f"{error.strerror}",
                "create the directory (it may be empty: versions are picked up as they come) "
                "or correct --model_base_path / base_path",
            ) from error
        if not versions and not poll_seconds:
            raise StartError(
                f"no version of model {model.name} under {model.base_path}, "
                "and it is not looked at again",
                "put a version there (a directory named by a number), or set "
                "--file_system_poll_wait_seconds to a positive number",
            )


def single_model(name: str, base_path: str) -> ServerConfig:
    """The configuration that `--model_name` and `--model_base_path` stand for."""
    return ServerConfig({name: ModelConfig(name, base_path)})
