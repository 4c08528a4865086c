"""The version directories under a model's base path."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

from model_server.configuration import ModelConfig, Specific

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[0-9]+")
_LARGEST = 2**63 - 1


def find_versions(base_path: Path, warn: Callable[[str], None] = log.warning) -> dict[int, Path]:
    """The direct children whose whole name is a decimal number, by that number.

    Files count too; they fail when they are loaded, where the user sees why.

    Raises:
        OSError: the base path is missing or cannot be read.
    """
    found: dict[int, Path] = {}
    for child in sorted(base_path.iterdir(), key=lambda path: path.name):
        if not _NUMBER.fullmatch(child.name) or int(child.name) > _LARGEST:
            continue
        version = int(child.name)
        if version in found:
            warn(f"{found[version]} and {child} are the same version {version}: using {child}")
        found[version] = child
    return found


def wanted_versions(
    config: ModelConfig, warn: Callable[[str], None] = log.warning
) -> dict[int, Path]:
    """What the model's policy wants of what is on disk now.

    Raises:
        OSError: the base path is missing or cannot be read.
    """
    found = find_versions(config.base_path, warn)
    if not found:
        warn(
            f"No versions of servable {config.name} found under base path {config.base_path}. "
            "Did you forget to name your leaf directory as a number (eg. '/1/')?"
        )
    chosen = config.policy.choose(found)
    if isinstance(config.policy, Specific):
        for version in sorted(config.policy.versions - chosen.keys()):
            warn(
                f"Version {version} of servable {config.name}, which was requested to be served "
                f"as a 'specific' version in the servable's version policy, was not found under "
                f"{config.base_path}"
            )
    return chosen
