"""Where results go, chosen by address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, field_validator

from stream_bridge.config.base import scheme_of
from stream_bridge.config.bigquery import BigQuerySink
from stream_bridge.config.kafka import KafkaSink
from stream_bridge.config.memory import MemorySink
from stream_bridge.config.pubsub import PubSubSink
from stream_bridge.config.routing import Routed


class JsonLinesSink(Routed):
    """``jsonl:PATH``: JSON lines, appended; each batch is on disk before its position moves.

    Attributes:
      roll_bytes: once the file is that large it is renamed, the time in its name, and a new one
        begun; None never.
      roll_seconds: the same once it is that old.
    """

    roll_bytes: PositiveInt | None = None
    roll_seconds: PositiveFloat | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.address.partition(":")[2])


class ParquetSink(Routed):
    """``parquet:DIRECTORY``: files ``part-*.parquet``, each complete once it is there.

    What is not yet in one is in a journal beside them, on disk before its position moves.

    Attributes:
      roll_bytes: a part is finished once its journal is that large.
      roll_seconds: or that old.
    """

    roll_bytes: PositiveInt = 64 << 20
    roll_seconds: PositiveFloat = 300.0

    @property
    def path(self) -> Path:
        """The directory."""
        return Path(self.address.partition(":")[2])


class PostgresSink(Routed):
    """``postgresql://USER@HOST:PORT/DATABASE``: a table, upserted by event id.

    The password comes from libpq's own places (``PGPASSFILE``, ``PGPASSWORD``).

    Attributes:
      table: its name, ``SCHEMA.TABLE`` or ``TABLE``; made where it is not there.
      connect_seconds: how long one attempt to connect may take.
    """

    table: str
    connect_seconds: PositiveInt = 5

    @field_validator("table")
    @classmethod
    def _a_name(cls, table: str) -> str:
        parts = table.split(".")
        if len(parts) > 2 or not all(part.isidentifier() for part in parts):
            raise ValueError("write TABLE or SCHEMA.TABLE, of letters, digits and underscores")
        return table


class WebhookSink(Routed):
    """``http://…`` or ``https://…``: one POST of the outcome's JSON each.

    Attributes:
      secret_file: a file with a secret; requests then carry ``X-Livebert-Timestamp`` and
        ``X-Livebert-Signature: sha256=HEX``, the HMAC of ``TIMESTAMP.BODY``.
      headers: further headers.
      timeout_seconds: how long one request may take.
      refused: what is done when the receiver answers 400, 413 or 422: ``hold`` the stream until
        it takes the alert, or ``skip`` it, counted and logged.
    """

    secret_file: Path | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    timeout_seconds: PositiveFloat = 10.0
    refused: Literal["hold", "skip"] = "hold"

    @field_validator("address")
    @classmethod
    def _has_host(cls, address: str) -> str:
        if not urlsplit(address).hostname:
            raise ValueError("write http://HOST[:PORT]/PATH")
        return address


SinkConfig = Annotated[
    Annotated[JsonLinesSink, Tag("jsonl")]
    | Annotated[ParquetSink, Tag("parquet")]
    | Annotated[PostgresSink, Tag("postgresql")]
    | Annotated[WebhookSink, Tag("http")]
    | Annotated[WebhookSink, Tag("https")]
    | Annotated[KafkaSink, Tag("kafka")]
    | Annotated[PubSubSink, Tag("pubsub")]
    | Annotated[BigQuerySink, Tag("bigquery")]
    | Annotated[MemorySink, Tag("memory")],
    Discriminator(
        scheme_of,
        custom_error_type="sink_address",
        custom_error_message=(
            "address must start with jsonl:, parquet:, postgresql://, http://, https://, kafka://, "
            "pubsub:// or bigquery://"
        ),
    ),
]


def written_as_files(sink: SinkConfig) -> bool:
    """Whether workers of other machines write it as objects of a bucket."""
    return isinstance(sink, JsonLinesSink | ParquetSink)
