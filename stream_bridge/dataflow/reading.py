"""The sources of a bridge on workers: Beam's own, which keep their positions with the engine.

======== ============================== =========================================================
pubsub   ReadFromPubSub                 acknowledged by Dataflow once the messages are its own
kafka    Beam's Java KafkaIO            offsets in Dataflow's checkpoints, the group's follow them
file     fileio, one file per worker    a job that ends with the files
======== ============================== =========================================================

What comes out are lists of RawLine, with the ids that the local engine gives them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.io import fileio
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.kafka import KafkaSource
from stream_bridge.config.pubsub import PubSubSource
from stream_bridge.config.sources import FileSource
from stream_bridge.errors import ConfigError
from stream_bridge.records import RawLine
from stream_bridge.sources.file import to_raw
from stream_bridge.sources.lines import LineReader
from stream_bridge.sources.pubsub import to_line
from stream_bridge.timestamps import now


def read_on_workers(config: BridgeConfig) -> beam.PTransform:
    """The source's transform: a pipeline to lists of RawLine. Raises ConfigError."""
    source = config.source
    if isinstance(source, FileSource):
        return ReadFiles(source, config)
    if isinstance(source, PubSubSource):
        return ReadPubSub(source, config)
    if isinstance(source, KafkaSource):
        return ReadKafkaByJava(source, config, config.dataflow.expansion_service)
    raise ConfigError(f"source.address: {source.address} cannot be read by workers")


class ReadFiles(beam.PTransform):
    """Complete files, by pattern: each is read by one worker, from its beginning to its end."""

    def __init__(self, source: FileSource, config: BridgeConfig):
        super().__init__()
        self._pattern = source.address.partition(":")[2]
        self._limit = config.limits.max_line_bytes
        self._chunk = config.batching.sort_events

    def expand(self, begin: Any) -> Any:
        """Adds the steps."""
        return (
            begin
            | "Find files" >> fileio.MatchFiles(self._pattern)
            | "Spread files" >> beam.Reshuffle()
            | "Open files" >> fileio.ReadMatches()
            | "Read files" >> beam.ParDo(_LinesOfFile(self._limit, self._chunk))
        )


class _LinesOfFile(beam.DoFn):
    def __init__(self, max_line_bytes: int, chunk: int):
        self._limit = max_line_bytes
        self._chunk = chunk

    def process(self, readable):
        name = readable.metadata.path
        with readable.open() as file:
            reader = LineReader(file, 0, self._limit)
            while lines := reader.read(self._chunk):
                yield to_raw(lines, name, name)
            if rest := reader.rest():
                yield to_raw([rest], name, name)


class ReadPubSub(beam.PTransform):
    """A subscription; with ``id_attribute`` Dataflow itself drops what was published twice."""

    def __init__(self, source: PubSubSource, config: BridgeConfig):
        super().__init__()
        self._source = source
        self._limit = config.limits.max_line_bytes
        self._chunk = config.batching.sort_events

    def expand(self, begin: Any) -> Any:
        """Adds the steps."""
        source = self._source
        return (
            begin
            | "Read from Pub/Sub"
            >> ReadFromPubSub(
                subscription=source.subscription,
                id_label=source.id_attribute,
                timestamp_attribute=source.time_attribute,
                with_attributes=True,
            )
            | "Messages to lines"
            >> beam.ParDo(ToLines(partial(line_of_pubsub, source, self._limit), self._chunk))
        )


class ReadKafkaByJava(beam.PTransform):
    """A topic, by Beam's own KafkaIO, which is written in Java.

    Args:
      source: the topic, the group and where it starts.
      config: the bridge.
      expansion_service: ``HOST:PORT``, a jar, or None for the one that Beam brings.
    """

    def __init__(self, source: KafkaSource, config: BridgeConfig, expansion_service: str | None):
        super().__init__()
        self._source = source
        self._limit = config.limits.max_line_bytes
        self._chunk = config.batching.sort_events
        self._expansion = expansion_service

    def expand(self, begin: Any) -> Any:
        """Adds the steps."""
        from apache_beam.io.kafka import ReadFromKafka

        source = self._source
        read = ReadFromKafka(
            source.java_options(),
            [source.topic],
            start_read_time=source.start_ms(),
            commit_offset_in_finalize=True,
            timestamp_policy=ReadFromKafka.create_time_policy,
            with_metadata=True,
            dynamic_read_poll_interval_seconds=round(source.discover_seconds),
            expansion_service=_expansion(self._expansion),
        )
        return (
            begin
            | "Read from Kafka" >> read
            | "Messages to lines"
            >> beam.ParDo(ToLines(partial(line_of_kafka, self._limit), self._chunk))
        )


def _expansion(service: str | None) -> Any:
    if service is not None and service.endswith(".jar"):
        from apache_beam.transforms.external import JavaJarExpansionService

        return JavaJarExpansionService(service)
    return service


class ToLines(beam.DoFn):
    """One message after the other to lists of RawLine, no longer than a bundle.

    Args:
      convert: a message and its timestamp to a line.
      chunk: lines in a list.
    """

    def __init__(self, convert: Callable[[Any, Timestamp], RawLine], chunk: int):
        self._convert = convert
        self._chunk = chunk

    def start_bundle(self):
        """Drops what a failed bundle left; it comes again."""
        self._lines = []

    def process(self, message, at=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
        """Emits a list when it is long enough."""
        # The earliest time of a list: what leaves later must not have moved on.
        self._at, self._window = (min(self._at, at) if self._lines else at), window
        self._lines.append(self._convert(message, at))
        if len(self._lines) >= self._chunk:
            lines, self._lines = self._lines, []
            yield lines

    def finish_bundle(self):
        """Emits the rest."""
        if self._lines:
            yield WindowedValue(self._lines, self._at, (self._window,))
            self._lines = []


def line_of_pubsub(
    source: PubSubSource, max_line_bytes: int, message: PubsubMessage, at: Timestamp
) -> RawLine:
    """A message of Pub/Sub as a line."""
    published = message.publish_time
    return to_line(
        source,
        max_line_bytes,
        data=message.data or b"",
        attributes=message.attributes or {},
        message_id=message.message_id or "",
        ordering_key=message.ordering_key or "",
        published=round(published.timestamp() * 1e6) if published else at.micros,
    )


def line_of_kafka(max_line_bytes: int, message: Any, at: Timestamp) -> RawLine:
    """A row of Beam's KafkaIO as a line."""
    value = message.value or b""  # a tombstone of a compacted topic is a blank line
    key = message.key
    return RawLine(
        value[:max_line_bytes],
        f"kafka:{message.topic}",
        f"{message.topic}/{message.partition}/{message.offset}",
        time.monotonic(),
        message.timestamp * 1000 if message.timestamp > 0 else now(),
        len(value) > max_line_bytes,
        None if key is None else key.decode("utf-8", "replace"),
        {
            header.key: "" if header.value is None else header.value.decode("utf-8", "replace")
            for header in message.headers or ()
        },
    )
