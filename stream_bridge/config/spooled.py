"""Sources whose lines go to disk first, because their senders cannot be asked for them again."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveInt, field_validator, model_validator

from stream_bridge.config.base import Frozen
from stream_bridge.config.tls import ServerTls


class Spooled(Frozen):
    """A source whose lines go to disk first, because its sender cannot be asked for them again.

    Attributes:
      spool_max_bytes: lines kept on disk and not yet scored; when full, no more are taken, and
        the sender is held back.
      spool_segment_bytes: size of one file of the spool; a file goes when all of it is scored.
    """

    address: str
    spool_max_bytes: int = Field(default=256 << 20, ge=4096)
    spool_segment_bytes: int = Field(default=8 << 20, ge=1024)


class StdinSource(Spooled):
    """``stdin:``: standard input; the run ends with it."""


class Listening(Spooled):
    """A source that others send to.

    Attributes:
      tls: encryption, on TCP; None is plain.
      max_connections: how many senders at once; further ones wait to be accepted.
    """

    tls: ServerTls | None = None
    max_connections: PositiveInt = 64

    @field_validator("address")
    @classmethod
    def _has_port(cls, address: str) -> str:
        scheme, parts = address.partition(":")[0], urlsplit(address)
        try:
            complete = parts.port is not None and parts.hostname is not None
        except ValueError:
            complete = False
        if not complete:
            raise ValueError(f"write {scheme}://HOST:PORT, for instance {scheme}://127.0.0.1:9000")
        return address

    @property
    def host(self) -> str:
        """The interface to listen on."""
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        """The port to listen on; 0 takes a free one."""
        return urlsplit(self.address).port or 0


class TcpSource(Listening):
    """``tcp://HOST:PORT``: listens for lines; port 0 takes a free one (see the status file)."""


class SyslogSource(Listening):
    """``syslog://HOST:PORT``: listens for syslog messages.

    Attributes:
      transport: ``tcp`` (RFC 6587; with ``tls`` RFC 5425) or ``udp`` (RFC 5426).
      receive_bytes: the kernel's buffer of a UDP socket, as far as the kernel allows.
    """

    transport: Literal["tcp", "udp"] = "tcp"
    receive_bytes: PositiveInt = 8 << 20

    @model_validator(mode="after")
    def _no_tls_on_udp(self) -> SyslogSource:
        if self.transport == "udp" and self.tls is not None:
            raise ValueError("tls goes with transport tcp")
        return self
