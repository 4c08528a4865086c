"""Every key of a model's config as a page: its type, its bounds, its default, what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tfx_pipeline.config.pipeline import PipelineConfig

_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
}
_NAMES = {"integer": "whole number", "boolean": "true or false", "null": "none"}

Schema = Mapping[str, Any]


def reference() -> str:
    """Return the page, in Markdown."""
    schema = PipelineConfig.model_json_schema()
    lines = [
        "# The keys of a model's config",
        "",
        "Printed by `tfx-pipeline keys`. A key without a default is required; an unknown key is an",
        "error; relative paths count from the working directory. `--set KEY=VALUE` goes before the",
        "file.",
    ]
    for path, section in _sections("", schema, schema["$defs"]):
        lines += ["", f"## {path or 'The file'}", ""]
        lines += section["description"].strip().splitlines()
        lines += ["", "| key | value | default |", "|---|---|---|"]
        required = section.get("required", [])
        for key, value in section["properties"].items():
            default = "" if key in required else _default(value)
            lines.append(f"| `{key}` | {_type(value)} | {default} |")
    return "\n".join(lines) + "\n"


def _sections(path: str, section: Schema, known: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the section and those below it, by their paths in the file."""
    yield path, section
    for key, value in section["properties"].items():
        below = f"{path}.{key}" if path else key
        for name, suffix in _references(value):
            yield from _sections(f"{below}{suffix}", known[name], known)


def _references(value: Schema) -> Iterator[tuple[str, str]]:
    """Yield the sections a key holds, each with how it is repeated under the key."""
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2], ""
    for option in value.get("anyOf", ()):
        yield from _references(option)
    for kind, suffix in (("items", "[]"), ("additionalProperties", ".NAME")):
        inner = value.get(kind)
        if isinstance(inner, dict) and "$ref" in inner:
            yield inner["$ref"].rpartition("/")[2], suffix


def _type(value: Schema) -> str:
    if "$ref" in value:
        return "section, see below"
    if "anyOf" in value:
        return " or ".join(_type(option) for option in value["anyOf"])
    if "enum" in value:
        return ", ".join(f"`{option}`" for option in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    kind = value.get("type", "anything")
    if kind == "array":
        least = f", at least {value['minItems']}" if value.get("minItems") else ""
        return f"list of {_type(value['items'])}{least}" if "items" in value else "list"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"mapping to {_type(inner)}" if isinstance(inner, dict) else "mapping"
    if value.get("format") == "path":
        return "path"
    bounds = [text.format(value[name]) for name, text in _BOUNDS.items() if name in value]
    if "pattern" in value:
        pattern = value["pattern"].replace("|", "\\|")
        bounds.append(f"`{pattern}`")
    return " ".join([_NAMES.get(kind, kind), ", ".join(bounds)]).strip()


def _default(value: Schema) -> str:
    default = value.get("default")
    if default is None:
        return "none" if "default" in value else ""
    if isinstance(default, dict):
        return ""
    return f"`{json.dumps(default, ensure_ascii=False)}`"
