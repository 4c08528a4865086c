"""The first load: the server opens its ports only when every model is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from model_server.configuration import ModelConfig
from model_server.errors import StartError
from model_server.versions.discovery import find_versions
from model_server.versions.states import Board, VersionState


def check_base_paths(models: Iterable[ModelConfig], poll_seconds: float) -> None:
    """Refuse to start where waiting could not help.

    Raises:
        StartError: a base path is missing or unreadable, or it is empty and never looked at again.
    """
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
        if not versions and poll_seconds <= 0:
            raise StartError(
                f"no version of model {model.name} under {model.base_path}, "
                "and it is not looked at again",
                "put a version there (a directory named by a number), or set "
                "--file_system_poll_wait_seconds to a positive number",
            )


def wait_until_decided(board: Board, models: Iterable[str]) -> None:
    """Block until each model has a version that serves or never will.

    Raises:
        StartError: the highest such version of some model could not be loaded.
    """
    names = sorted(models)

    def decided(states: Mapping[str, Mapping[int, VersionState]]) -> bool:
        return all(any(s.decided for s in states.get(name, {}).values()) for name in names)

    board.wait(decided)
    failures = failed_models(board, names)
    if failures:
        raise StartError(
            f"UNKNOWN: {describe_failures(failures)}",
            "export the model again, or remove the version that cannot be loaded",
        )


def failed_models(board: Board, names: Iterable[str]) -> list[tuple[str, VersionState]]:
    """The models whose highest decided version ended in an error, with that version."""
    failures = []
    for name in names:
        decided = [state for state in board.versions(name) if state.decided]
        if decided and decided[0].error is not None:
            failures.append((name, decided[0]))
    return failures


def describe_failures(failures: Iterable[tuple[str, VersionState]]) -> str:
    """TF Serving's sentence about models that did not load."""
    items = [
        f"{{{{name: {name} version: {state.version}}} due to error: "
        f"{state.error.code}: {state.error.message}}}"
        for name, state in failures
        if state.error is not None
    ]
    return f"{len(items)} servable(s) did not become available: {{{', '.join(items)}, }}"


def single_model(name: str, base_path: str) -> dict[str, ModelConfig]:
    """The configuration that `--model_name` and `--model_base_path` stand for."""
    return {name: ModelConfig(name, Path(base_path))}
