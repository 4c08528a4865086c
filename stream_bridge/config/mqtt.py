"""MQTT: topics of a broker as the source."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveInt, field_validator, model_validator

from stream_bridge.config.spooled import Spooled
from stream_bridge.config.tls import ClientTls


class MqttSource(Spooled):
    """``mqtt://HOST[:PORT]``: subscribes with QoS 1, in a session that the broker keeps.

    Attributes:
      topics: topic filters; ``+`` stands for one level, ``#`` for all that follow.
      client_id: the session's name; None makes one from this machine and the state directory. The
        filters of a session stay: another set of ``topics`` wants another ``client_id``.
      protocol: ``5`` or ``3.1.1``.
      session_seconds: how long the broker keeps the session of a bridge that is away (MQTT 5; with
        3.1.1 the broker decides).
      tls: encryption; None is plain.
      username: the user, where the broker asks for one.
      password_file: a file that holds the password, so that it stands in no config.
      keepalive_seconds: after one and a half times this without a sign of life the other side is
        taken for dead.
    """

    topics: tuple[str, ...] = Field(min_length=1)
    client_id: str | None = Field(default=None, min_length=1)
    protocol: Literal["5", "3.1.1"] = "5"
    session_seconds: PositiveInt = 7 * 86400
    tls: ClientTls | None = None
    username: str | None = None
    password_file: Path | None = None
    keepalive_seconds: int = Field(default=30, ge=5, le=65535)

    @field_validator("protocol", mode="before")
    @classmethod
    def _a_text(cls, protocol: object) -> object:
        # YAML reads 5 as a number.
        return str(protocol)

    @field_validator("address")
    @classmethod
    def _has_host(cls, address: str) -> str:
        parts = urlsplit(address)
        try:
            good = parts.hostname and not parts.path.strip("/") and parts.port != 0
        except ValueError:
            good = False
        if not good or parts.username or parts.fragment:
            raise ValueError(
                "write mqtt://HOST:PORT, for instance mqtt://127.0.0.1:1883; topics, username and "
                "password_file are keys of their own"
            )
        return address

    @field_validator("topics")
    @classmethod
    def _are_filters(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            levels = topic.split("/")
            wild = [level for level in levels if ("#" in level or "+" in level) and len(level) > 1]
            if not topic or wild or "#" in levels[:-1]:
                raise ValueError(
                    f"{topic!r} is no topic filter: + stands for a whole level, # for all levels "
                    "at the end"
                )
        return topics

    @model_validator(mode="after")
    def _password_has_user(self) -> MqttSource:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file goes with username")
        return self

    @property
    def host(self) -> str:
        """The broker's host."""
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port; 1883 where none is given, with TLS 8883."""
        return urlsplit(self.address).port or (8883 if self.tls else 1883)
