"""Reads a config: the YAML file, then `--set key=value` over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tfx_pipeline.config.pipeline import PipelineConfig
from tfx_pipeline.errors import ConfigError


def load(path: Path, overrides: Sequence[str] = ()) -> PipelineConfig:
    """Read a YAML file and apply `key.path=value` overrides (values are YAML too).

    Raises:
        ConfigError: one line that names the file and the key.
    """
    try:
        return PipelineConfig.model_validate(read(path, overrides))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{path}: {_explain(first)}") from error


def read(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read what `load` checks: the keys that the file and the overrides give, and no others.

    Raises:
        ConfigError: the file cannot be read, or an override is none.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; configs/ holds examples") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(raw).__name__}")
    for override in overrides:
        _override(raw, override)
    return raw


def put(raw: dict[str, Any], key: str, value: Any) -> None:
    """Put a value below a dotted key into what `read` returned.

    Raises:
        ConfigError: a part of the key's path is a value itself.
    """
    *parents, last = key.split(".")
    for parent in parents:
        child = raw.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {key}: {parent} is a value, not a group of keys")
        raw = child
    raw[last] = value


def _override(raw: dict[str, Any], override: str) -> None:
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"--set {override}: write it as key.path=value")
    try:
        put(raw, key, yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML") from error


def _explain(error: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if error["type"] == "missing":
        return f"{key}: this key is required"
    return f"{key}: {error['msg'].removeprefix('Value error, ')} (found {error['input']!r:.80})"
