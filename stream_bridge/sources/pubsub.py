"""A Pub/Sub subscription: pulled, leased while its messages are worked on, acknowledged after.

Guarantee: at least once. A message is acknowledged only after its result is durable; until then its
lease is renewed, also while the stream stands still, and Pub/Sub keeps it. A bridge that dies gets
its messages again, with the same ids (``SUBSCRIPTION/MESSAGE_ID``, or the attribute that the config
names). Messages of one ordering key are read in their order. Not guaranteed: what is older than the
subscription's retention; and where the subscription has a dead-letter policy, Pub/Sub itself puts
aside what was delivered too often, such as the messages of a bridge that dies again and again.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.pubsub_v1 import SubscriberClient

from stream_bridge.config.pubsub import PubSubSource
from stream_bridge.errors import SourceError
from stream_bridge.pubsub import FAILED, FINAL, client, reason
from stream_bridge.records import RawLine
from stream_bridge.state import Position
from stream_bridge.timestamps import now, time_reader

_LOG = logging.getLogger(__name__)
# Pub/Sub's own bounds of a request: 1,000 messages of a pull, 512 KiB of acknowledgements.
_PULL_MESSAGES = 1000
_ACK_IDS = 1000
_PULL_SECONDS = 120.0
_ACK_SECONDS = 10.0
_TICK_SECONDS = 1.0
_POLL_SECONDS = 0.1
# A subscription's own shortest lease, which a message has until it is renewed the first time.
_FIRST_LEASE_SECONDS = 10.0
_MAX_PAUSE_SECONDS = 5.0
_from_iso, _from_ms = time_reader("iso", "UTC"), time_reader("unix_ms", "UTC")


@dataclass
class _Held:
    """A message that is leased."""

    ack_id: str
    until: float


class Leases:
    """The messages that this bridge holds: renewed in a thread of its own until acknowledged.

    Args:
      config: the subscription.
      on_final: told of an error that will not go away.
    """

    def __init__(self, config: PubSubSource, on_final: Callable[[Exception], None]):
        self._config = config
        self._on_final = on_final
        self._client = client(SubscriberClient, config)
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._acks: list[str] = []
        self._work = threading.Event()
        self._closing = False
        self._away = False
        self._thread = threading.Thread(target=self._run, name="pubsub-leases", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, message_id: str, ack_id: str) -> bool:
        """Holds a delivery; False where the message was held already: it only came again."""
        until = time.monotonic() + _FIRST_LEASE_SECONDS
        with self._lock:
            new = message_id not in self._held
            self._held[message_id] = _Held(ack_id, until)
        return new

    def done(self, message_ids: Sequence[str]) -> None:
        """Their results are durable: they are acknowledged, soon."""
        with self._lock:
            self._acks += [self._held.pop(name).ack_id for name in message_ids]
        self._work.set()

    def _run(self) -> None:
        while not self._closing:
            self._work.wait(_TICK_SECONDS)
            self._work.clear()
            self._acknowledge()
            self._renew()

    def _acknowledge(self) -> None:
        with self._lock:
            acks, self._acks = self._acks, []
        sent = self._send(acks, self._client.acknowledge)
        with self._lock:
            self._acks[:0] = acks[sent:]

    def _renew(self) -> None:
        lease, clock = self._config.lease_seconds, time.monotonic()
        with self._lock:
            due = [each for each in self._held.values() if each.until - clock < lease * 0.6]
        sent = self._extend([each.ack_id for each in due], lease)
        for each in due[:sent]:
            each.until = clock + lease

    def _extend(self, ack_ids: list[str], seconds: int) -> int:
        def modify(*, subscription: str, ack_ids: list[str], **options: Any) -> None:
            self._client.modify_ack_deadline(
                subscription=subscription,
                ack_ids=ack_ids,
                ack_deadline_seconds=seconds,
                **options,
            )

        return self._send(ack_ids, modify)

    def _send(self, ack_ids: list[str], call: Callable[..., None]) -> int:
        """How many were dealt with; what was not is for another time."""
        for at in range(0, len(ack_ids), _ACK_IDS):
            try:
                call(
                    subscription=self._config.subscription,
                    ack_ids=ack_ids[at : at + _ACK_IDS],
                    retry=None,
                    timeout=_ACK_SECONDS,
                )
            except (exceptions.InvalidArgument, exceptions.FailedPrecondition) as error:
                # Leases that ran out: what they were for comes again, with the same id.
                _LOG.warning("%s: %s", self._config.address, reason(error))
            except FINAL as error:
                self._on_final(error)
                return at
            except FAILED as error:
                if not self._away:
                    _LOG.warning("%s is away: %s", self._config.address, reason(error))
                self._away = True
                return at
            self._away = False
        return len(ack_ids)

    def close(self) -> None:
        """Acknowledges what is durable, and gives the rest back at once."""
        self._closing = True
        self._work.set()
        self._thread.join()
        self._acknowledge()
        self._extend([each.ack_id for each in self._held.values()], 0)
        self._client.transport.close()


class PubSubReader:
    """Reads a subscription; position: how many messages were read in this session.

    A position of another session means nothing here: what was not acknowledged comes again.
    """

    done = False

    def __init__(
        self,
        config: PubSubSource,
        max_line_bytes: int,
        position: Position | None,
        wake: threading.Event,
    ):
        self._config = config
        self._max = max_line_bytes
        self._wake = wake
        self._session = uuid.uuid4().hex
        self._failure: Exception | None = None
        self._closing = threading.Event()
        self._arrived = threading.Condition()
        self._waiting: deque[tuple[str, RawLine]] = deque()
        self._read: deque[str] = deque()  # message ids, read and not committed
        self._read_before = 0  # how many were read and committed
        self.position: Position = position or {}
        self._leases = Leases(config, self._fail)
        self._client = client(SubscriberClient, config)
        self._threads = [
            threading.Thread(target=self._pull_on, name=f"pubsub-pull-{i}", daemon=True)
            for i in range(config.pulls)
        ]
        for thread in self._threads:
            thread.start()

    def _fail(self, error: Exception) -> None:
        with self._arrived:
            self._failure = self._failure or error
            self._arrived.notify_all()

    def _pull_on(self) -> None:
        pause, away = _POLL_SECONDS, False
        while not self._closing.is_set() and self._failure is None:
            room = self._config.max_messages - len(self._leases)
            if room <= 0:
                self._closing.wait(_POLL_SECONDS)
                continue
            try:
                answer = self._client.pull(
                    subscription=self._config.subscription,
                    max_messages=min(room, _PULL_MESSAGES),
                    retry=None,
                    timeout=_PULL_SECONDS,
                )
            except exceptions.DeadlineExceeded:
                continue  # there was nothing for that long
            except FINAL as error:
                self._fail(error)
                return
            except (*FAILED, ValueError) as error:
                # A ValueError is gRPC's word for a connection that `close` has closed.
                if self._closing.wait(pause):
                    return
                if not away:
                    _LOG.warning("%s is away: %s", self._config.address, reason(error))
                pause, away = min(pause * 2, _MAX_PAUSE_SECONDS), True
                continue
            if away:
                _LOG.warning("%s is back", self._config.address)
            pause, away = _POLL_SECONDS, False
            self._take(answer.received_messages)

    def _take(self, received: Sequence[Any]) -> None:
        arrived = now()
        with self._arrived:
            for each in received:
                message = each.message
                if self._leases.hold(message.message_id, each.ack_id):
                    published = round(message.publish_time.timestamp() * 1e6)
                    line = to_line(
                        self._config,
                        self._max,
                        data=message.data,
                        attributes=message.attributes,
                        message_id=message.message_id,
                        ordering_key=message.ordering_key,
                        published=published or arrived,
                    )
                    self._waiting.append((message.message_id, line))
            self._arrived.notify()

    def read(self, limit: int, wait_seconds: float) -> list[RawLine]:
        """Up to ``limit`` messages; waits for the first one."""
        deadline = time.monotonic() + wait_seconds
        with self._arrived:
            while not self._waiting:
                if self._failure is not None:
                    raise SourceError(f"source {self._config.address}: {reason(self._failure)}")
                left = deadline - time.monotonic()
                if left <= 0 or self._wake.is_set():
                    return []
                self._arrived.wait(min(_POLL_SECONDS, left))
            taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
            self._read.extend(name for name, _ in taken)
            read = self._read_before + len(self._read)
        self.position = {"session": self._session, "read": read}
        return [line for _, line in taken]

    def committed(self, position: Position) -> bool:
        """Acknowledges all before the position."""
        if position.get("session") != self._session:
            return True
        with self._arrived:
            names = [self._read.popleft() for _ in range(position["read"] - self._read_before)]
            self._read_before += len(names)
        self._leases.done(names)
        return True

    def backlog_bytes(self) -> int:
        """Bytes that are here and not yet read; what Pub/Sub still holds it does not tell."""
        with self._arrived:
            return sum(len(line.data) for _, line in self._waiting)

    def close(self) -> None:
        """Gives back what is not acknowledged."""
        self._closing.set()
        self._client.transport.close()  # ends the pulls
        for thread in self._threads:
            thread.join()
        self._leases.close()


def to_line(
    config: PubSubSource,
    max_bytes: int,
    *,
    data: bytes,
    attributes: Mapping[str, str],
    message_id: str,
    ordering_key: str,
    published: int,
) -> RawLine:
    """A message, from whichever client it came, as the bridge's record.

    Args:
      config: the subscription.
      max_bytes: the longest line.
      data: its bytes.
      attributes: its attributes.
      message_id: Pub/Sub's id of it.
      ordering_key: its ordering key, or empty.
      published: microseconds since the epoch.
    """
    name = attributes.get(config.id_attribute) if config.id_attribute else None
    at = attributes.get(config.time_attribute) if config.time_attribute else None
    return RawLine(
        data[:max_bytes],
        f"pubsub:{config.resource}",
        name or f"{config.resource}/{message_id}",
        time.monotonic(),
        _time(at, published),
        len(data) > max_bytes,
        ordering_key or None,
        dict(attributes),
    )


def _time(text: str | None, published: int) -> int:
    if text is None:
        return published
    try:
        return (_from_ms if text.isdigit() else _from_iso)(text)
    except (ValueError, OverflowError):
        return published
