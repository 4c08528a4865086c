"""What to serve: the models, where they are, which versions and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from model_server.errors import InvalidArgumentError

PLATFORM = "tensorflow"


@dataclass(frozen=True)
class Latest:
    """The `count` highest versions on disk."""

    count: int = 1

    def choose(self, found: Mapping[int, Path]) -> dict[int, Path]:
        """The wanted ones among the versions found."""
        return {version: found[version] for version in sorted(found)[-max(self.count, 1) :]}


@dataclass(frozen=True)
class All:
    """Every version on disk."""

    def choose(self, found: Mapping[int, Path]) -> dict[int, Path]:
        """The wanted ones among the versions found."""
        return dict(found)


@dataclass(frozen=True)
class Specific:
    """The versions named, as far as they are on disk."""

    versions: frozenset[int]

    def choose(self, found: Mapping[int, Path]) -> dict[int, Path]:
        """The wanted ones among the versions found."""
        return {version: found[version] for version in self.versions if version in found}


Policy = Latest | All | Specific


@dataclass(frozen=True)
class ModelConfig:
    """One model: its name, the directory of its version directories, and what to load."""

    name: str
    base_path: str | Path
    policy: Policy = Latest()
    labels: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse what cannot be polled.

        Raises:
            InvalidArgumentError: the path is relative, a URI this server has no file system for, or
                no path at all.
        """
        text = str(self.base_path)
        if not text.startswith("/") or "\0" in text:
            raise InvalidArgumentError(
                f"Expected model {self.name} to have an absolute path or URI; "
                f"got base_path()={text}"
            )
        object.__setattr__(self, "base_path", Path(text))


@dataclass(frozen=True)
class ServerConfig:
    """Every model of this server, by name."""

    models: Mapping[str, ModelConfig]
