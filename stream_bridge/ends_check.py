"""Whether source and sinks are there: what `check` looks at beside the model server."""

from __future__ import annotations

from collections.abc import Callable
from glob import glob
from typing import Any

from stream_bridge.config.bigquery import BigQuerySink
from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.kafka import KafkaSink, KafkaSource
from stream_bridge.config.mqtt import MqttSource
from stream_bridge.config.pubsub import PubSubSink, PubSubSource
from stream_bridge.config.sinks import PostgresSink, WebhookSink
from stream_bridge.config.sources import DeadLettersSource, FileSource, TailSource
from stream_bridge.config.spooled import Listening, SyslogSource
from stream_bridge.errors import SinkError, SourceError


def check_source(config: BridgeConfig) -> list[str]:
    """What was found of the source, in lines for people.

    Raises SourceAway where it does not answer, SourceError or ConfigError where it does not fit.
    """
    source = config.source
    look = next((look for kind, look in _SOURCES.items() if isinstance(source, kind)), None)
    return look(config) if look is not None else []


def check_sinks(config: BridgeConfig) -> list[str]:
    """What was found of the sinks, in lines for people; raises SinkError, MismatchError."""
    found = []
    for name, sink in config.sinks.items():
        look = next((look for kind, look in _SINKS.items() if isinstance(sink, kind)), None)
        if look is not None:
            found.append(look(name, sink))
    return found


def _kafka_source(config: BridgeConfig) -> list[str]:
    from stream_bridge.sources.kafka import check_topic

    source: Any = config.source
    return [f"source {source.address}: {check_topic(source)} partitions, group {source.group}"]


def _pubsub_source(config: BridgeConfig) -> list[str]:
    from stream_bridge.pubsub import check_subscription

    return [check_subscription(config.source)]


def _mqtt_source(config: BridgeConfig) -> list[str]:
    from stream_bridge.mqtt import check_broker

    return [check_broker(config.source)]


def _listening(config: BridgeConfig) -> list[str]:
    source: Any = config.source
    if source.tls is not None:
        source.tls.context()
    found = [f"source {source.address}: {'TLS' if source.tls else 'no encryption'}"]
    if isinstance(source, SyslogSource) and config.format.kind not in ("syslog", "own"):
        found.append(
            f"source {source.address}: format.kind is {config.format.kind!r}: the whole message is "
            "one line; with 'syslog' it has fields"
        )
    return found


def _files(config: BridgeConfig) -> list[str]:
    from stream_bridge.sources.file import FileReader

    source: Any = config.source
    reader = FileReader(source.path, config.limits.max_line_bytes, None)
    size = reader.backlog_bytes()
    reader.close()
    return [f"source {source.address}: {size} bytes"]


def _growing_file(config: BridgeConfig) -> list[str]:
    source: Any = config.source
    if source.pattern is not None:
        return [f"source {source.address}: {len(glob(source.pattern))} files"]  # noqa: PTH207
    folder = source.path.parent
    if not folder.is_dir():
        raise SourceError(f"source {source.address}: there is no directory {folder}")
    if source.path.is_dir():
        raise SourceError(
            f"source {source.address}: is a directory; for all its files end it with a slash"
        )
    there = "is there" if source.path.exists() else "is waited for"
    return [f"source {source.address}: the file {there}"]


def _dead_letters(config: BridgeConfig) -> list[str]:
    source: Any = config.source
    if not source.path.is_file():
        raise SourceError(f"source {source.address}: there is no such file")
    return [f"source {source.address}: {source.path.stat().st_size} bytes"]


_SOURCES: dict[type, Callable[[BridgeConfig], list[str]]] = {
    KafkaSource: _kafka_source,
    PubSubSource: _pubsub_source,
    MqttSource: _mqtt_source,
    Listening: _listening,
    FileSource: _files,
    TailSource: _growing_file,
    DeadLettersSource: _dead_letters,
}


def _kafka_sink(name: str, sink: Any) -> str:
    from confluent_kafka import Producer

    from stream_bridge.sources.kafka import client, partitions_of

    try:
        producer = client(sink, Producer)
        return f"sink {name}: {sink.address}: {len(partitions_of(producer, sink))} partitions"
    except SourceError as error:
        raise SinkError(f"sink {name}: {error}") from error


def _pubsub_sink(name: str, sink: Any) -> str:
    from stream_bridge.pubsub import check_topic

    return check_topic(name, sink)


def _postgres_sink(name: str, sink: Any) -> str:
    from stream_bridge.sinks.postgresql import check_table

    return check_table(name, sink)


def _bigquery_sink(name: str, sink: Any) -> str:
    from stream_bridge.sinks.bigquery import check_table

    return check_table(name, sink)


def _webhook_sink(name: str, sink: Any) -> str:
    from stream_bridge.sinks.webhook import WebhookWriter

    # Its secret is read; nothing is posted, as an alert would page somebody.
    WebhookWriter(sink).close()
    return f"sink {name}: {'signed' if sink.secret_file else 'not signed'}, not tried"


_SINKS: dict[type, Callable[[str, Any], str]] = {
    KafkaSink: _kafka_sink,
    PubSubSink: _pubsub_sink,
    PostgresSink: _postgres_sink,
    BigQuerySink: _bigquery_sink,
    WebhookSink: _webhook_sink,
}
