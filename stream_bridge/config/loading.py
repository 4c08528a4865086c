"""Reads a bridge config from YAML: ``--set`` wins over the file, the file over the defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.errors import ConfigError


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> BridgeConfig:
    """The config in a YAML file (or object, ``gs://…``), with ``a.b=c`` overrides (in YAML).

    Raises ConfigError with one line that names file and key.
    """
    try:
        values = yaml.safe_load(_text_of(str(path)))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path}: {where}is not YAML: {what}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold keys such as 'source:' and 'server:'")
    for override in overrides:
        _apply(values, override)
    try:
        return BridgeConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_problem(error)}") from error


def _text_of(path: str) -> str:
    if "://" not in path:
        return Path(path).read_text("utf-8")
    # A bucket's file: Beam knows how.
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.open(path) as file:
        return file.read().decode("utf-8")


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set {override}: write it as key.subkey=value")
    value = _value(text)
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.get(parent)
        if inner is None:
            inner = values[parent] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {parent} is a single value, it has no keys")
        values = inner
    values[last] = value


def _value(text: str) -> Any:
    """A YAML value; a template such as ``{service} {message}`` is text, though YAML disagrees."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, dict) and not any(value.values()) else value


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    # A mistyped key also makes the right one missing: the typo says more.
    first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    # A union's chosen scheme appears in the place as if it were a key.
    tags = {
        "memory",
        "bigquery",
        "parquet",
        "postgresql",
        "http",
        "https",
        "file",
        "tail",
        "tcp",
        "stdin",
        "dead",
        "kafka",
        "pubsub",
        "syslog",
        "mqtt",
        "jsonl",
    }
    place = [str(part) for part in first["loc"]]
    shown = [p for i, p in enumerate(place) if not (p in tags and i in (1, 2) and i > 0)]
    key = ".".join(shown) or "the config"
    if first["type"] == "extra_forbidden":
        what = "there is no such key"
    elif first["type"] == "missing":
        what = "this key is missing"
    else:
        what = str(first["msg"]).removeprefix("Value error, ")
        if not isinstance(first["input"], dict | list) and first["type"] != "value_error":
            what += f" (it is {first['input']!r})"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{key}: {what}{more}"
