"""How a running bridge is watched."""

from __future__ import annotations

from pydantic import field_validator

from stream_bridge.config.base import Frozen


class MonitoringConfig(Frozen):
    """An HTTP endpoint with `/metrics` (Prometheus) and `/healthz`.

    Attributes:
      address: ``HOST:PORT`` to listen on; port 0 takes a free one; None listens nowhere.
    """

    address: str | None = None

    @field_validator("address")
    @classmethod
    def _has_port(cls, address: str | None) -> str | None:
        if address is not None and not address.rpartition(":")[2].isdigit():
            raise ValueError("write HOST:PORT, for instance 127.0.0.1:9464")
        return address
