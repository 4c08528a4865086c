"""What all parts of the configuration share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of all configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BrokerKeptSource(Frozen):
    """Base of sources whose broker, not this bridge's state directory, keeps the position."""


def scheme_of(value: Any) -> str | None:
    """The scheme of a source's or sink's ``address``; what picks its kind."""
    address = value.get("address") if isinstance(value, dict) else getattr(value, "address", None)
    return str(address).partition(":")[0] if address else None
