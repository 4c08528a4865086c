"""Kafka topics as sinks: one message per outcome, keyed by the event's key (else its id).

Guarantee: at least once, by an idempotent producer: a broker that restarts neither loses nor
repeats a message. With `KafkaTransaction` (source and sink in one cluster, local engine) the
results and the source's offsets are committed together: readers with ``read_committed`` see each
event once, also when the bridge is killed. Not guaranteed: one transaction over other sinks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.kafka import KafkaSink, KafkaSource, KafkaTopic
from stream_bridge.errors import BridgeError, SinkError
from stream_bridge.records import Written, key_of
from stream_bridge.scoring.failures import Patience
from stream_bridge.sources.kafka import client
from stream_bridge.state import instance_name

_LOG = logging.getLogger(__name__)
# How long one attempt waits; what is not delivered by then stays with the producer.
_ATTEMPT_SECONDS = 5.0
_POLL_SECONDS = 0.05


class _Messages:
    """Messages on their way to the brokers, and which of them were refused."""

    def __init__(self, make: Callable[[], Producer]):
        self._make = make
        self._producer = make()
        self._refused: list[tuple[dict[str, Any], KafkaError]] = []

    @property
    def producer(self) -> Producer:
        return self._producer

    def send(self, messages: Iterable[dict[str, Any]]) -> None:
        for message in messages:
            while True:
                try:
                    self._producer.produce(**message, on_delivery=self._delivered(message))
                    break
                except BufferError:
                    self._producer.poll(_POLL_SECONDS)
            self._producer.poll(0)

    def _delivered(self, message: dict[str, Any]) -> Callable[[KafkaError | None, Any], None]:
        def delivered(error: KafkaError | None, _: Any) -> None:
            if error is not None:
                self._refused.append((message, error))

        return delivered

    def wait(self, seconds: float) -> None:
        """Returns when all are with the brokers; raises SinkError when some are not."""
        waiting = self._producer.flush(seconds)
        if self._refused:
            _, error = self._refused[0]
            raise SinkError(f"{len(self._refused)} messages refused: {error.str()}")
        if waiting:
            raise SinkError(f"{waiting} messages are not with the brokers yet")

    def send_refused(self) -> None:
        again, self._refused = self._refused, []
        if any(error.fatal() or error.code() == KafkaError._FATAL for _, error in again):
            self._producer = self._make()
        self.send(message for message, _ in again)

    def forget(self) -> None:
        self._producer.purge()
        self._producer.flush(0)
        self._refused = []


class KafkaWriter:
    """Writes outcomes to a topic through an idempotent producer."""

    def __init__(self, config: KafkaTopic):
        self._config = config
        self._messages = _Messages(lambda: _producer(config))
        self._batch: Sequence[Written] | None = None

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Returns when the brokers have all of them; raises SinkError.

        Called again with the same outcomes it goes on waiting, and sends none a second time
        that the brokers may already have.
        """
        if outcomes is self._batch:
            self._messages.send_refused()
        else:
            self._batch = outcomes
            self._messages.send(messages_of(self._config.topic, outcomes, texts))
        try:
            self._messages.wait(_ATTEMPT_SECONDS)
        except SinkError as error:
            raise SinkError(f"sink {self._config.address}: {error}") from error
        self._batch = None

    def close(self) -> None:
        """Gives up what is not delivered; its position has not moved."""
        self._messages.forget()


class KafkaTransaction:
    """Several topics of one cluster, written together with the source's offsets.

    Args:
      config: one of the sinks; all share its connection.
      transactional_id: a name that a restarted bridge has again, so that it fences its
        predecessor and ends what that one left open.
      seconds: after this long the broker aborts what a dead bridge left open.
      patience: how to wait for brokers that are away.
    """

    def __init__(
        self, config: KafkaTopic, transactional_id: str, seconds: float, patience: Patience
    ):
        self._config = config
        self._patience = patience
        self._options = {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(seconds * 1000),
        }
        self._disturbed = False
        self._producer = self._open()

    def _open(self) -> Producer:
        producer = _producer(self._config, on_error=self._note, **self._options)
        self._disturbed = False
        try:
            # Here, before the source is read: it ends what a dead predecessor left open.
            self._until_done(lambda: producer.init_transactions(_ATTEMPT_SECONDS))
        except KafkaException as error:
            raise SinkError(f"sink {self._config.address}: {error.args[0].str()}") from error
        return producer

    def _note(self, error: KafkaError) -> None:
        self._disturbed = True

    def write(
        self,
        batches: Mapping[str, tuple[Sequence[Written], Sequence[bytes]]],
        offsets: Sequence[Any],
        group: Any,
    ) -> None:
        """Commits outcomes (and their texts) by topic, and offsets, together; or SinkError.

        Raises BridgeError where it is not known whether it was committed, or another bridge has
        taken over: the pipeline has to start again from the committed offsets.
        """
        if self._disturbed:
            self._producer = self._open()
        producer, committing = self._producer, False
        try:
            producer.begin_transaction()
            for topic, (outcomes, texts) in batches.items():
                for message in messages_of(topic, outcomes, texts):
                    _produce(producer, message)
            left = producer.flush(_ATTEMPT_SECONDS)
            if self._disturbed or left:
                # librdkafka 2.16 hangs in the next call when a coordinator was away meanwhile.
                raise SinkError(f"sink {self._config.address}: the brokers are away")
            if offsets:
                producer.send_offsets_to_transaction(list(offsets), group, _ATTEMPT_SECONDS)
            committing = True
            self._until_done(lambda: producer.commit_transaction(_ATTEMPT_SECONDS))
        except KafkaException as error:
            # A new producer ends what is open.
            self._disturbed = True
            reason: KafkaError = error.args[0]
            text = f"sink {self._config.address}: {reason.str()}"
            unsure = committing and not reason.txn_requires_abort()
            if unsure or reason.fatal() or reason.code() in _GROUP_CHANGED:
                raise BridgeError(text) from error
            raise SinkError(text) from error
        except SinkError:
            self._disturbed = True
            raise

    def _until_done(self, step: Callable[[], Any]) -> None:
        """A step whose outcome is open is asked for again, for as long as it takes."""

        def works() -> Exception | None:
            try:
                step()
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                return SinkError(f"sink {self._config.address}: {error.args[0].str()}")
            return None

        error = works()
        if error is not None:
            self._patience.wait_until(works, str(error))

    def close(self) -> None:
        """Aborts what is open."""
        self._producer.purge()
        self._producer.flush(0)


# The partitions went to another member: its reader has these events too, so ours are not kept.
_GROUP_CHANGED = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)


def _producer(
    config: KafkaTopic, on_error: Callable[[KafkaError], None] | None = None, **options: Any
) -> Producer:
    def note(error: KafkaError) -> None:
        _LOG.warning("%s: %s", config.address, error.str())
        if on_error is not None:
            on_error(error)

    return client(
        config,
        Producer,
        **{
            "enable.idempotence": True,
            "linger.ms": 1,
            # The bridge itself waits, and stands still meanwhile: none is given up. A message in
            # a transaction cannot outlive that.
            **({"message.timeout.ms": 0} if "transactional.id" not in options else {}),
            "message.max.bytes": 16 << 20,
            "retry.backoff.ms": 10,
            "error_cb": note,
            **options,
        },
    )


def _produce(producer: Producer, message: dict[str, Any]) -> None:
    while True:
        try:
            producer.produce(**message)
            return
        except BufferError:
            producer.poll(_POLL_SECONDS)


def messages_of(
    topic: str, outcomes: Sequence[Written], texts: Sequence[bytes]
) -> Iterable[dict[str, Any]]:
    """The messages of outcomes and their texts, with the event's id as a header."""
    for outcome, text in zip(outcomes, texts, strict=True):
        yield {
            "topic": topic,
            "value": text,
            "key": key_of(outcome) or outcome.name,
            "headers": {"event_id": outcome.name},
        }


class SourceTransaction:
    """The sinks of a bridge that commit together with its Kafka source.

    Attributes:
      names: of the sinks.
      topics: topic to what it takes.
    """

    def __init__(self, sinks: Mapping[str, KafkaSink], name: str, patience: Patience):
        self.names = frozenset(sinks)
        self.topics = {sink.topic: sink.take for sink in sinks.values()}
        first = next(iter(sinks.values()))
        self._transaction = KafkaTransaction(first, name, first.transaction_seconds, patience)

    def write(
        self, batches: Mapping[str, tuple[Sequence[Written], Sequence[bytes]]], source: Any
    ) -> None:
        """Commits what the topics take, and how far the source (a `KafkaReader`) was read."""
        position = source.position
        self._transaction.write(batches, source.offsets(position), source.group_metadata())
        source.in_transaction(position)

    def close(self) -> None:
        """Aborts what is open."""
        self._transaction.close()


def transaction_of(config: BridgeConfig, patience: Patience) -> SourceTransaction | None:
    """The transaction that a bridge's config asks for, opened; None where it asks for none."""
    source = config.source
    if config.engine != "local" or not isinstance(source, KafkaSource):
        return None
    sinks = {
        name: sink
        for name, sink in config.sinks.items()
        if isinstance(sink, KafkaSink)
        and sink.transactional == "auto"
        and sink.brokers == source.brokers
    }
    if not sinks:
        return None
    name = f"{source.group}-{instance_name(config.state_dir)}"
    return SourceTransaction(sinks, name, patience)
