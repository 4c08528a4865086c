"""How a running bridge is watched."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from stream_bridge.config.base import Frozen


class MonitoringConfig(Frozen):
    """An HTTP endpoint with `/metrics` (Prometheus) and `/healthz`, and the form of the log.

    Attributes:
      address: ``HOST:PORT`` to listen on; port 0 takes a free one; None listens nowhere.
      logs: ``text`` for people, or ``json``, one object a line.
    """

    address: str | None = None
    logs: Literal["text", "json"] = "text"

    @field_validator("address")
    @classmethod
    def _has_port(cls, address: str | None) -> str | None:
        if address is not None and not address.rpartition(":")[2].isdigit():
            raise ValueError("write HOST:PORT, for instance 127.0.0.1:9464")
        return address
