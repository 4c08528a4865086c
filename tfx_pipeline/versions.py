"""Version directories under a base path, on any filesystem that TensorFlow can write."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import tensorflow as tf
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from tfx_pipeline.errors import ConfigError

_GRAPH = "saved_model.pb"


def check_base(base: str) -> None:
    """Make a base path if it is not there.

    Raises:
        ConfigError: it cannot be made, or TensorFlow knows no filesystem for it.
    """
    try:
        fileio.makedirs(base)
    except (OSError, tf.errors.OpError) as error:
        said = str(getattr(error, "message", error))
        raise ConfigError(f"serving.base_path: {base} cannot be written: {said}") from error


def versions(base: str) -> list[int]:
    """Return the versions under a base path, the oldest first."""
    if not fileio.isdir(base):
        return []
    names = (name.rstrip("/") for name in fileio.listdir(base))
    return sorted(int(name) for name in names if name.isdigit())


def newest(base: str) -> str | None:
    """Return the path of the newest version under a base path, None where there is none."""
    found = versions(base)
    return f"{base}/{found[-1]}" if found else None


def next_version(base: str, known: Sequence[int] = ()) -> int:
    """Return a version above all there are: the time in seconds, as TFX's Pusher numbers them.

    `known` are versions that a server remembers; of one that was taken away it would go on to say
    how that one ended.
    """
    return max([int(time.time()), *(version + 1 for version in [*versions(base), *known])])


def copy_version(source: str, base: str, version: int) -> str:
    """Copy a SavedModel to `<base>/<version>/` and return that path.

    The graph comes last: servers take its file as the sign that a version is complete.
    """
    destination = os.path.join(base, str(version))  # noqa: PTH118 - may be a URL
    io_utils.copy_dir(source, destination, deny_regex_patterns=[rf"{_GRAPH}$"])
    io_utils.copy_file(f"{source}/{_GRAPH}", f"{destination}/{_GRAPH}")
    return destination


def remove_version(base: str, version: int) -> None:
    """Delete a version, its graph first, so that no server takes up what is half gone."""
    directory = os.path.join(base, str(version))  # noqa: PTH118 - may be a URL
    if fileio.exists(f"{directory}/{_GRAPH}"):
        fileio.remove(f"{directory}/{_GRAPH}")
    try:
        fileio.rmtree(directory)
    except fileio.NotFoundError:
        # Never begun; or a filesystem that misses a folder once its files are gone.
        if fileio.exists(directory):
            raise


def prune(base: str, keep: int) -> list[int]:
    """Delete all but the newest `keep` versions and return those that went."""
    gone = versions(base)[:-keep]
    for version in gone:
        remove_version(base, version)
    return gone
