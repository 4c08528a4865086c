"""What every source does, and how an address in the config becomes one."""

from __future__ import annotations

import threading
from typing import Protocol

from stream_bridge.config.format import LimitsConfig
from stream_bridge.config.kafka import KafkaSource
from stream_bridge.config.memory import MemorySource
from stream_bridge.config.mqtt import MqttSource
from stream_bridge.config.pubsub import PubSubSource
from stream_bridge.config.sources import DeadLettersSource, FileSource, SourceConfig, TailSource
from stream_bridge.config.spooled import SyslogSource
from stream_bridge.records import RawLine
from stream_bridge.sources.journal import journal_line_bytes, to_raw_messages
from stream_bridge.state import Position, StateDir, instance_name


class Source(Protocol):
    """A source of lines with a position.

    Attributes:
      position: the place after the last line that `read` returned; a JSON object. A source
        opened at it goes on with the next line. Empty where only a broker knows it yet.
      done: there will be no more lines.
    """

    position: Position
    done: bool

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` lines that are there now.

        Waits up to ``wait_seconds`` for the first one, less when `wake` is set. Raises
        SourceError when the source is gone for good.
        """

    def backlog_bytes(self) -> int:
        """About how many bytes are there and not yet read."""

    def committed(self, position: Position) -> bool:
        """Everything before the position is durable: space may be freed.

        False where it has to be said again.
        """

    def close(self) -> None:
        """Frees files and sockets."""


def open_source(
    config: SourceConfig,
    limits: LimitsConfig,
    position: Position | None,
    state: StateDir,
    wake: threading.Event,
    ended: threading.Event,
) -> Source:
    """Opens the configured source at a position (None: its beginning).

    Args:
      config: which source.
      limits: the longest line.
      position: where to go on.
      state: where a source that needs one keeps its spool.
      wake: once set, `read` no longer waits.
      ended: set when standard input has ended.
    """
    from stream_bridge.sources.dead_letters import DeadLettersReader
    from stream_bridge.sources.file import FileReader, to_raw
    from stream_bridge.sources.spool import SpoolReader
    from stream_bridge.sources.tail import TailReader
    from stream_bridge.sources.tail_many import TailManyReader

    if isinstance(config, KafkaSource):
        from stream_bridge.sources.kafka import KafkaReader

        return KafkaReader(config, limits.max_line_bytes, instance_name(state.path), position, wake)
    if isinstance(config, PubSubSource):
        from stream_bridge.sources.pubsub import PubSubReader

        return PubSubReader(config, limits.max_line_bytes, position, wake)
    if isinstance(config, MemorySource):
        from stream_bridge.memory import MemoryReader

        return MemoryReader(config.address, limits.max_line_bytes, position)
    if isinstance(config, FileSource):
        return FileReader(config.path, limits.max_line_bytes, position)
    if isinstance(config, DeadLettersSource):
        return DeadLettersReader(config, limits.max_line_bytes, position)
    if isinstance(config, TailSource):
        many = config.pattern
        if many is not None:
            return TailManyReader(
                many,
                limits.max_line_bytes,
                position,
                poll_seconds=config.poll_seconds,
                from_end=config.start == "end",
                wake=wake,
            )
        return TailReader(
            config.path,
            limits.max_line_bytes,
            position,
            poll_seconds=config.poll_seconds,
            from_end=config.start == "end",
            wake=wake,
        )
    messages = isinstance(config, SyslogSource | MqttSource)
    limit = limits.max_line_bytes
    return SpoolReader(
        state.path / "spool",
        config.address,
        journal_line_bytes(limit) if messages else limit,
        position,
        wake=wake,
        ended=ended,
        decode=to_raw_messages if messages else to_raw,
    )
