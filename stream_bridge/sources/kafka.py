"""Kafka topics, on librdkafka: no JVM.

Guarantee: at least once. A group's offset moves only after the results of what lies before it are
durable, so a bridge that dies reads its last bundle again, with the same ids
(``topic/partition/offset``). Exactly once by Kafka's own means: see `stream_bridge.sinks.kafka`.
Not guaranteed: what the topic's retention deletes before it was read.

`KafkaReader` is a member of the group and takes what the group gives it, so that a second bridge
shares the load.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from stream_bridge.config.kafka import KafkaSource, KafkaTopic
from stream_bridge.errors import SourceAway, SourceError
from stream_bridge.records import RawLine
from stream_bridge.state import Position
from stream_bridge.timestamps import now

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_METADATA_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_LEAVE_SECONDS = 5.0
_JOIN_SECONDS = 30.0
# Another member took over, or the group is between two generations: what was not committed is
# read again by the new owner.
_OWNER_CHANGED = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._NO_OFFSET,
    }
)
_AWAY = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._RESOLVE,
    }
)
_FINAL = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.FENCED_INSTANCE_ID,
    }
)


def client(config: KafkaTopic, make: Any, **options: Any) -> Any:
    """A librdkafka client of a topic's cluster; raises SourceError for wrong options."""
    try:
        return make({**config.client_options(), **options}, logger=_LOG)
    except (KafkaException, OSError, ValueError) as error:
        raise SourceError(f"{config.address}: {_reason(error)}") from error


def partitions_of(
    consumer: Consumer | Producer, config: KafkaTopic, seconds: float = _METADATA_SECONDS
) -> list[int]:
    """The partitions the topic has now; raises SourceAway, or SourceError where there is none."""
    try:
        topics = consumer.list_topics(config.topic, timeout=seconds).topics
    except KafkaException as error:
        kind = SourceAway if error.args[0].code() in _AWAY else SourceError
        raise kind(f"{config.address}: {_reason(error)}") from error
    found = topics[config.topic]
    if found.error is not None and found.error.code() != KafkaError.LEADER_NOT_AVAILABLE:
        raise SourceError(
            f"{config.address}: {found.error.str()}; create the topic, or correct the address"
        )
    return sorted(found.partitions)


def check_topic(config: KafkaSource) -> int:
    """How many partitions the topic has; raises SourceAway, or SourceError where it is refused."""
    noted: list[KafkaError] = []
    # What goes wrong is in the error that is raised, once.
    quiet = {"log_level": 0, "error_cb": noted.append}
    consumer = client(config, Consumer, **{"group.id": config.group, **quiet})
    deadline = time.monotonic() + _METADATA_SECONDS
    try:
        while True:
            try:
                return len(partitions_of(consumer, config, _LOOK_SECONDS))
            except SourceAway as error:
                # Why they do not answer is told on another way.
                consumer.poll(0)
                final = next((error for error in noted if error.code() in _FINAL), None)
                if final is not None:
                    reason = final.str().rpartition(": ")[2] or final.str()
                    raise SourceError(
                        f"source {config.address}: {reason}; correct source.tls or source.sasl"
                    ) from None
                if time.monotonic() > deadline:
                    why = noted[0].str() if noted else str(error)
                    raise SourceAway(f"source {config.address}: {why}") from None
    finally:
        consumer.close()


def forget_offsets(config: KafkaSource, instance: str) -> None:
    """Puts the group's offsets back to ``start``; raises SourceError while others are in it."""
    # Only a member may commit while the group remembers one, and it does for a while.
    consumer = client(config, Consumer, **_member(config, instance))
    try:
        everything = partitions_of(consumer, config)
        consumer.subscribe([config.topic])
        deadline = time.monotonic() + _JOIN_SECONDS
        while len(parts := consumer.assignment()) < len(everything):
            if time.monotonic() > deadline:
                raise SourceError(
                    f"group {config.group!r} has other members, so its offsets cannot be reset; "
                    "stop the other bridges, or choose another source.group"
                )
            consumer.poll(_POLL_SECONDS)
        consumer.commit(offsets=_at_start(consumer, config, parts), asynchronous=False)
    except KafkaException as error:
        raise SourceError(f"source {config.address}: {_reason(error)}") from error
    finally:
        consumer.close()


def _member(config: KafkaSource, instance: str) -> dict[str, Any]:
    return {
        "group.id": config.group,
        "group.instance.id": instance,
        "session.timeout.ms": int(config.session_seconds * 1000),
        "partition.assignment.strategy": "range",
        "enable.auto.commit": False,
    }


def _at_start(
    consumer: Consumer, config: KafkaSource, parts: list[TopicPartition]
) -> list[TopicPartition]:
    """Partitions at the offsets that ``start`` means now."""
    when = config.start_ms()
    found = {}
    if when is not None:
        asked = [TopicPartition(p.topic, p.partition, when) for p in parts]
        answer = consumer.offsets_for_times(asked, timeout=_METADATA_SECONDS)
        found = {p.partition: p.offset for p in answer}
    placed = []
    for part in parts:
        low, high = consumer.get_watermark_offsets(part, timeout=_METADATA_SECONDS)
        offset = found.get(part.partition, low if config.start == "earliest" else high)
        # A time after the last message means the end.
        placed.append(TopicPartition(part.topic, part.partition, offset if offset >= 0 else high))
    return placed


def begin(
    consumer: Consumer, config: KafkaSource, parts: list[TopicPartition]
) -> list[TopicPartition]:
    """Partitions at the group's offsets; where a group is new, at ``start``.

    A partition without an offset in a group that has others was added later: it is read from its
    beginning, whatever ``start`` says. What ``start`` meant is committed at once, so that a
    bridge that dies before its first commit does not skip what came meanwhile.
    """
    everything = [TopicPartition(config.topic, p) for p in partitions_of(consumer, config)]
    known = consumer.committed(everything, timeout=_METADATA_SECONDS)
    offsets = {part.partition: part.offset for part in known if part.offset >= 0}
    if not offsets and config.start != "earliest":
        placed = _at_start(consumer, config, everything)
        consumer.commit(offsets=placed, asynchronous=False)
        offsets = {part.partition: part.offset for part in placed}
    return [
        TopicPartition(config.topic, part.partition, offsets.get(part.partition, OFFSET_INVALID))
        for part in parts
    ]


class KafkaReader:
    """Reads the partitions that the group gives this bridge.

    Position: partition to the offset of its next message, of the partitions read so far.
    """

    def __init__(
        self,
        config: KafkaSource,
        max_line_bytes: int,
        instance: str,
        position: Position | None,
        wake: threading.Event,
    ):
        self._config = config
        self._max = max_line_bytes
        self._wake = wake
        self._failure: KafkaError | None = None
        self._ended: set[int] = set()
        self._durable: Position = {}
        self._torn = self._closing = False
        # Empty, not None: for the engine None says that the source has ended.
        self.position: Position = position or {}
        self._resume = dict(self.position)
        self.done = False
        self._consumer: Consumer = client(
            config,
            Consumer,
            **{
                **_member(config, instance),
                # Only where an offset is gone: never skip what is still there.
                "auto.offset.reset": "earliest",
                "isolation.level": config.isolation,
                "enable.partition.eof": True,
                "error_cb": self._failed,
                "fetch.wait.max.ms": 50,
                "topic.metadata.refresh.interval.ms": int(config.discover_seconds * 1000),
            },
        )
        self._consumer.subscribe(
            [config.topic], on_assign=self._assigned, on_revoke=self._gone, on_lost=self._gone
        )

    def _failed(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in _FINAL:
            self._failure = error
        else:
            _LOG.warning("%s: %s", self._config.address, error.str())

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` messages; waits for the first one."""
        deadline = time.monotonic() + wait_seconds
        while not self.done:
            left = max(0.0, deadline - time.monotonic())
            first = self._consumer.poll(min(_POLL_SECONDS, left))
            messages = [first] if first is not None else []
            if messages and limit > 1:
                messages += self._consumer.consume(limit - 1, 0)
            if self._failure is not None:
                raise SourceError(f"source {self._config.address}: {self._failure.str()}")
            lines = self._lines(messages)
            if lines or left <= 0 or self._wake.is_set():
                return lines
        return []

    def _lines(self, messages: Iterable[Message]) -> list[RawLine]:
        lines, offsets = [], {}
        read_at, arrived = time.monotonic(), now()
        for message in messages:
            error, partition = message.error(), message.partition()
            if error is None:
                self._ended.discard(partition)
                offsets[str(partition)] = message.offset() + 1
                lines.append(_to_line(message, self._max, read_at, arrived))
            elif error.code() == KafkaError._PARTITION_EOF:
                self._ended.add(partition)
            else:
                self._failed(error)
        if offsets:
            self.position = {**self.position, **offsets}
        self.done = self._config.until_end and self._all_ended()
        return lines

    def _all_ended(self) -> bool:
        parts = {part.partition for part in self._consumer.assignment()}
        return bool(parts) and parts <= self._ended

    @property
    def idle(self) -> bool:
        """All that the partitions hold was read."""
        return self._all_ended()

    def offsets(self, position: Position) -> list[TopicPartition]:
        """A position as Kafka's offsets, those only that are not committed yet."""
        return [
            TopicPartition(self._config.topic, int(partition), offset)
            for partition, offset in position.items()
            if self._durable.get(partition) != offset
        ]

    def group_metadata(self) -> Any:
        """Who commits, for a transaction; raises SourceError where part of it went to others."""
        if self._torn:
            raise SourceError(f"partitions of {self._config.topic} went to another bridge")
        return self._consumer.consumer_group_metadata()

    def committed(self, position: Position) -> bool:
        """Commits the group's offsets."""
        offsets = self.offsets(position)
        if not offsets:
            return True
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # The results are durable; it is tried again, or the next owner reads them once more.
            log = _LOG.info if error.args[0].code() in _OWNER_CHANGED else _LOG.warning
            log("offsets of %s are not committed yet: %s", self._config.topic, _reason(error))
            return False
        self.in_transaction(position)
        return True

    def in_transaction(self, position: Position) -> None:
        """The offsets were committed, here or in a transaction."""
        self._durable = {**self._durable, **position}

    def backlog_bytes(self) -> int:
        """Kafka counts messages, see `backlog_events`."""
        return 0

    def backlog_events(self) -> int:
        """Messages behind the position, of the partitions that were read."""
        total = 0
        for partition, offset in self.position.items():
            part = TopicPartition(self._config.topic, int(partition))
            try:
                _, high = self._consumer.get_watermark_offsets(part, cached=True)
            except (KafkaException, RuntimeError):
                continue  # it was closed, or the partition taken away, between two looks
            total += max(0, high - offset)
        return total

    def close(self) -> None:
        """Leaves the brokers."""
        self._closing = True
        # Partitions that were given or taken but not yet polled for are told by close(), and
        # then librdkafka (2.16) waits for ever for a group that is no more, and every thread of
        # Python with it. So they are polled for while the group is there.
        self._consumer.unsubscribe()
        deadline = time.monotonic() + _LEAVE_SECONDS
        while time.monotonic() < deadline:
            if self._consumer.poll(_POLL_SECONDS) is None and not self._consumer.assignment():
                break
        self._consumer.close()

    def _assigned(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        # A consumer that leaves may be given partitions on its way out.
        while not self._closing:
            try:
                placed = begin(consumer, self._config, parts)
                for part in placed:
                    # An engine with checkpoints of its own knows better, once.
                    part.offset = self._resume.pop(str(part.partition), part.offset)
                consumer.assign(placed)
                return
            except (KafkaException, SourceError) as error:
                _LOG.warning("waiting for the offsets of %s: %s", self._config.topic, error)
                if self._wake.wait(1.0):
                    return

    def _gone(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        gone = {str(part.partition) for part in parts}
        self._ended -= {part.partition for part in parts}
        self._torn = self._torn or any(
            self._durable.get(p) != offset for p, offset in self.position.items() if p in gone
        )
        kept = {p: offset for p, offset in self.position.items() if p not in gone}
        self.position = kept
        self._durable = {p: offset for p, offset in self._durable.items() if p not in gone}


def _to_line(message: Message, max_bytes: int, read_at: float, arrived: int) -> RawLine:
    value = message.value() or b""  # a tombstone of a compacted topic is a blank line
    kind, milliseconds = message.timestamp()
    key = message.key()
    return RawLine(
        value[:max_bytes],
        f"kafka:{message.topic()}",
        f"{message.topic()}/{message.partition()}/{message.offset()}",
        read_at,
        milliseconds * 1000 if kind else arrived,
        len(value) > max_bytes,
        None if key is None else key.decode("utf-8", "replace"),
        {
            name: "" if header is None else header.decode("utf-8", "replace")
            for name, header in message.headers() or ()
        },
    )


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(error)
