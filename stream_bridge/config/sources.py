"""The sources a bridge can have, chosen by the scheme of their address."""

from __future__ import annotations

from glob import escape, has_magic
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, PositiveFloat, Tag, field_validator

from stream_bridge.config.base import Frozen, scheme_of
from stream_bridge.config.kafka import KafkaSource
from stream_bridge.config.memory import MemorySource
from stream_bridge.config.mqtt import MqttSource
from stream_bridge.config.pubsub import PubSubSource
from stream_bridge.config.spooled import StdinSource, SyslogSource, TcpSource
from stream_bridge.timestamps import time_reader, to_iso


class FileSource(Frozen):
    """``file:PATH``: a complete file, or a pattern (``logs/*.gz``); the run ends with it."""

    address: str

    @property
    def path(self) -> Path:
        """The file, or the pattern."""
        return Path(self.address.partition(":")[2])


class TailSource(Frozen):
    """``tail:PATH``: a growing file, through rotation and truncation; need not exist yet.

    A directory (``tail:logs/``) or a pattern (``tail:logs/*.log``) means all its files, also those
    that appear later.

    Attributes:
      poll_seconds: how often to look for new lines.
      start: where to begin when there is no kept position: at the ``beginning`` or the ``end``.
    """

    address: str
    poll_seconds: PositiveFloat = 0.02
    start: Literal["beginning", "end"] = "beginning"

    @property
    def pattern(self) -> str | None:
        """Which files, where it may be several; None for one."""
        place = self.address.partition(":")[2]
        if has_magic(place):
            return place
        # By its address alone, not by what is there: a restart must find the same kind of source.
        if place.endswith("/"):
            return str(Path(escape(place)) / "*")
        return None

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.address.partition(":")[2])


class DeadLettersSource(Frozen):
    """``dead:PATH``: dead letters, to be scored again; what `stream-bridge replay` reads.

    Attributes:
      codes: only letters with one of these codes; empty takes all.
      stages: only letters of one of these stages; empty takes all.
      since: only letters whose last attempt was then or later (ISO 8601).
      until: only letters whose last attempt was before that (ISO 8601).
    """

    address: str
    codes: tuple[str, ...] = ()
    stages: tuple[Literal["parse", "validate", "score", "write"], ...] = ()
    since: str | None = None
    until: str | None = None

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, value: str | None) -> str | None:
        # Letters' own times are in this form too, so that text compares as time does.
        return None if value is None else to_iso(time_reader("iso", "UTC")(value))

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.address.partition(":")[2])

    def selects(self, letter: dict[str, Any]) -> bool:
        """Whether a dead letter (a JSON object) is to be read again."""
        return (
            (not self.codes or letter["code"] in self.codes)
            and (not self.stages or letter["stage"] in self.stages)
            and (self.since is None or letter["last_time"] >= self.since)
            and (self.until is None or letter["last_time"] < self.until)
        )


SourceConfig = Annotated[
    Annotated[FileSource, Tag("file")]
    | Annotated[TailSource, Tag("tail")]
    | Annotated[TcpSource, Tag("tcp")]
    | Annotated[StdinSource, Tag("stdin")]
    | Annotated[SyslogSource, Tag("syslog")]
    | Annotated[MqttSource, Tag("mqtt")]
    | Annotated[KafkaSource, Tag("kafka")]
    | Annotated[PubSubSource, Tag("pubsub")]
    | Annotated[MemorySource, Tag("memory")]
    | Annotated[DeadLettersSource, Tag("dead")],
    Discriminator(
        scheme_of,
        custom_error_type="source_address",
        custom_error_message="address must start with file:, tail:, stdin:, tcp://, syslog://, "
        "mqtt://, kafka://, pubsub:// or dead:",
    ),
]
