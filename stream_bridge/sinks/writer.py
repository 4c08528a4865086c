"""What every sink does, and how an address in the config becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stream_bridge.config.bigquery import BigQuerySink
from stream_bridge.config.kafka import KafkaSink
from stream_bridge.config.memory import MemorySink
from stream_bridge.config.pubsub import PubSubSink
from stream_bridge.config.sinks import (
    JsonLinesSink,
    ParquetSink,
    PostgresSink,
    SinkConfig,
    WebhookSink,
)
from stream_bridge.errors import SinkError
from stream_bridge.records import Written


class Writer(Protocol):
    """A sink of outcomes."""

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Takes outcomes and their JSON; returns when all of them are durable.

        Raises SinkError when it is worth another try.
        It is called again with the very same sequence then, and with an empty one now and then,
        so that a sink can finish by time what it has begun.
        """

    def close(self) -> None:
        """Finishes what is begun, and frees files and sockets."""


def open_writer(name: str, config: SinkConfig) -> Writer:
    """Opens a configured sink; raises SinkError.

    Each kind is imported when it is used: drivers take their time.
    """
    if isinstance(config, JsonLinesSink):
        from stream_bridge.sinks.json_lines import JsonLinesWriter

        return JsonLinesWriter(config)
    if isinstance(config, ParquetSink):
        from stream_bridge.sinks.parquet import ParquetSinkWriter

        return ParquetSinkWriter(config)
    if isinstance(config, PostgresSink):
        from stream_bridge.sinks.postgresql import PostgresWriter

        return PostgresWriter(config)
    if isinstance(config, WebhookSink):
        from stream_bridge.sinks.webhook import WebhookWriter

        return WebhookWriter(config)
    if isinstance(config, KafkaSink):
        from stream_bridge.sinks.kafka import KafkaWriter

        return KafkaWriter(config)
    if isinstance(config, PubSubSink):
        from stream_bridge.sinks.pubsub import PubSubWriter

        return PubSubWriter(config)
    if isinstance(config, BigQuerySink):
        from stream_bridge.sinks.bigquery import BigQueryWriter

        return BigQueryWriter(config)
    if isinstance(config, MemorySink):
        from stream_bridge.memory import MemoryWriter

        return MemoryWriter(config.address)
    raise SinkError(f"sink {name}: there is no writer for {config.address}")
