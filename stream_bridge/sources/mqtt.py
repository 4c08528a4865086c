"""MQTT topics: spooled to disk, and only then acknowledged.

Guarantee: at least once for what is published with QoS 1 or 2. A message is in the spool, synced,
before the broker is told so, and the broker keeps the session of a bridge that is away. What it
sends again because it did not hear that gets the id that it had. An MQTT broker is no log: it drops
what waits too long for a slow reader, so messages are taken as fast as they come, and wait in the
spool while the model server is away. Not guaranteed: messages of QoS 0; what the broker itself
drops from a session (its queue is bounded) or forgets when it dies.
"""

from __future__ import annotations

import hashlib
import logging
import queue
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from stream_bridge.config.mqtt import MqttSource
from stream_bridge.mqtt import client_of, refused_topic, subscribe
from stream_bridge.sources.feeder import Feeder
from stream_bridge.sources.journal import journaled
from stream_bridge.sources.spool import place_in, segment_path, segments
from stream_bridge.state import write_atomically
from stream_bridge.timestamps import now

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_BATCH = 1000
# Unacknowledged messages that the broker may have on their way (MQTT 5).
_RECEIVE_MAXIMUM = 1000
# The newest segments hold what the broker may not have heard of.
_LOOK_BACK = 2


class Repeats:
    """Which id a message had that the broker sends again, by packet id and content.

    Args:
      spool: where the journal is, and where this is kept when a segment of it is freed.
    """

    def __init__(self, spool: Path):
        self._path = spool / "mqtt.json"
        self._known: dict[int, tuple[str, str]] = {}
        if self._path.exists():
            kept = orjson.loads(self._path.read_bytes())
            self._known = {int(mid): (digest, name) for mid, (digest, name) in kept.items()}
        for segment in [n for n in segments(spool) if segment_path(spool, n).stat().st_size][
            -_LOOK_BACK:
        ]:
            self._look_through(segment_path(spool, segment), place_in(segment))
        # The reader may free the segments before the broker is back.
        known = orjson.dumps(self._known, option=orjson.OPT_NON_STR_KEYS)
        write_atomically(self._path, known, sync=True)

    def _look_through(self, path: Path, place: str) -> None:
        at = 0
        for line in path.read_bytes().splitlines(keepends=True):
            record = orjson.loads(line)
            if "mid" in record:
                self._known[record["mid"]] = (
                    record["digest"],
                    record.get("position", f"{place}:{at}"),
                )
            at += len(line)

    def find(self, mid: int, digest: str) -> str | None:
        """The id that the message got when it came first."""
        known = self._known.get(mid)
        return known[1] if known is not None and known[0] == digest else None

    def note(self, mid: int, digest: str, position: str) -> None:
        """A message is in the journal."""
        self._known[mid] = (digest, position)

    def forget(self) -> None:
        """The broker begins a new session: it sends nothing again."""
        self._known.clear()


class MqttFeeder(Feeder):
    """A member of a persistent session that feeds the spool.

    Args:
      config: the broker and the topics.
      spool: where it is.
      max_bytes: the longest message.
      client_id: the session's name.

    Raises ConfigError where a file cannot be used.
    """

    def __init__(self, config: MqttSource, spool: Path, max_bytes: int, client_id: str):
        self._config = config
        self._max = max_bytes
        # None: the broker has begun a new session.
        self._arrived: queue.SimpleQueue[_Arrived | None] = queue.SimpleQueue()
        self._batch: list[_Journaled] = []
        self._resumed = self._away = False
        self._client = client_of(config, client_id)
        super().__init__(config, spool, "mqtt")
        self._repeats = Repeats(spool)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message

    def __enter__(self) -> MqttFeeder:
        super().__enter__()
        options: dict[str, Any] = {}
        if self._config.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self._config.session_seconds
            properties.ReceiveMaximum = _RECEIVE_MAXIMUM
            options = {"clean_start": False, "properties": properties}
        self._client.connect_async(
            self._config.host, self._config.port, self._config.keepalive_seconds, **options
        )
        self._client.loop_start()
        return self

    def __exit__(self, *exc: object) -> None:
        # The broker keeps the session; what is not acknowledged comes again.
        self._client.disconnect()
        self._client.loop_stop()
        super().__exit__(*exc)

    def receive(self) -> bytes:
        """What has arrived, as lines of the journal."""
        self._batch = []
        block = bytearray()
        try:
            # Only the first one is waited for.
            arrived = self._arrived.get(timeout=_POLL_SECONDS)
            while True:
                if arrived is None:
                    self._repeats.forget()
                else:
                    block += self._line(arrived)
                if len(self._batch) == _BATCH:
                    break
                arrived = self._arrived.get_nowait()
        except queue.Empty:
            pass
        return bytes(block)

    def _line(self, arrived: _Arrived) -> bytes:
        message = arrived.message
        digest = hashlib.blake2b(message.payload, digest_size=12, key=_key(message)).hexdigest()
        again = self._repeats.find(message.mid, digest) if message.dup else None
        beside = {"mid": message.mid, "digest": digest} if message.qos else {}
        line = journaled(
            message.payload,
            self._max,
            at=arrived.at,
            key=message.topic,
            attributes={**_user_properties(message), "topic": message.topic},
            position=again,
            **beside,
        )
        self._batch.append(_Journaled(message, digest, len(line), again))
        return line

    def written(self, segment: int, start: int) -> None:
        """Acknowledges what is durable now."""
        for each in self._batch:
            mid = each.message.mid
            if each.message.qos:
                name = each.position or f"{place_in(segment)}:{start}"
                self._repeats.note(mid, each.digest, name)
                # Where the broker is away this is for nothing: it sends the message again.
                self._client.ack(mid, each.message.qos)
            start += each.size
        self._batch = []

    def _message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        if message.retain and self._resumed:
            # An older protocol sends the last known value at each subscription; it was read.
            client.ack(message.mid, message.qos)
            return
        self._arrived.put(_Arrived(message, now()))

    def _connected(
        self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if reason.is_failure:
            _LOG.warning("%s refuses the connection: %s", self._config.address, reason)
            return
        self._resumed = flags.session_present
        if not self._resumed:
            self._arrived.put(None)
        subscribe(client, self._config)

    def _subscribed(
        self, client: paho.Client, userdata: Any, mid: int, reasons: Any, properties: Any
    ) -> None:
        refused = refused_topic(self._config, reasons)
        if refused is not None:
            _LOG.warning("%s %s", self._config.address, refused)
        elif self._away:
            _LOG.warning("%s is back", self._config.address)
        self._away = False

    def _disconnected(
        self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if not self._stop.is_set() and reason.is_failure and not self._away:
            _LOG.warning("%s is away: %s", self._config.address, reason)
            self._away = True


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A message and when it came, microseconds since the epoch."""

    message: paho.MQTTMessage
    at: int


@dataclass(frozen=True, slots=True)
class _Journaled:
    """A message in the journal: how long its line is, and its id where that is an older one."""

    message: paho.MQTTMessage
    digest: str
    size: int
    position: str | None


def _key(message: paho.MQTTMessage) -> bytes:
    return hashlib.blake2b(message.topic.encode(), digest_size=32).digest()


def _user_properties(message: paho.MQTTMessage) -> dict[str, str]:
    properties = message.properties
    return dict(getattr(properties, "UserProperty", ())) if properties is not None else {}
