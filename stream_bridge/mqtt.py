"""Clients of an MQTT broker for source and check."""

from __future__ import annotations

import queue
import ssl
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from stream_bridge.config.mqtt import MqttSource
from stream_bridge.errors import ConfigError, SourceAway, SourceError

_ANSWER_SECONDS = 10.0
_RETRY_SECONDS = (1, 10)
_QOS = 1


def client_of(config: MqttSource, client_id: str, *, keep: bool = True) -> paho.Client:
    """A client, not yet connected; raises ConfigError where a file cannot be used.

    Args:
      config: the broker.
      client_id: the session's name.
      keep: the broker keeps the session (MQTT 3.1.1; MQTT 5 says so when it connects).
    """
    new = config.protocol == "5"
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if new else not keep,
        protocol=MQTTProtocolVersion.MQTTv5 if new else MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    client.reconnect_delay_set(*_RETRY_SECONDS)
    if config.tls is not None:
        client.tls_set_context(config.tls.context())
    if config.username is not None:
        client.username_pw_set(config.username, _password(config.password_file))
    return client


def subscribe(client: paho.Client, config: MqttSource) -> None:
    """Asks for the topics; those of a session that goes on send no last known values again."""
    if config.protocol == "5":
        options = SubscribeOptions(qos=_QOS, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        client.subscribe([(topic, options) for topic in config.topics])
    else:
        client.subscribe([(topic, _QOS) for topic in config.topics])


def refused_topic(config: MqttSource, reasons: Sequence[Any]) -> str | None:
    """What the broker said against the first topic that it refuses, for people; or None."""
    for topic, reason in zip(config.topics, reasons, strict=False):
        if reason.is_failure:
            return f"refuses the topic {topic}: {reason}"
    return None


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"source.password_file: {file}: {error.strerror}") from error


def check_broker(config: MqttSource) -> str:
    """What was found, for people.

    Raises SourceAway where the broker does not answer, SourceError where it refuses.
    """
    answers: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
    client = client_of(config, f"stream-bridge-check-{uuid.uuid4().hex[:8]}", keep=False)
    client.on_connect = lambda *given: answers.put([given[3]])
    client.on_subscribe = lambda *given: answers.put(given[3])
    try:
        client.connect(config.host, config.port, config.keepalive_seconds)
        client.loop_start()
        (connected,) = answers.get(timeout=_ANSWER_SECONDS)
        if connected.is_failure:
            raise SourceError(
                f"source {config.address} refuses the connection: {connected}; correct username, "
                "password_file or tls"
            )
        subscribe(client, config)
        refused = refused_topic(config, answers.get(timeout=_ANSWER_SECONDS))
        if refused is not None:
            raise SourceError(f"source {config.address} {refused}")
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", None) or error.reason or str(error)
        raise SourceError(f"source {config.address}: TLS: {reason}; correct source.tls") from error
    except (OSError, queue.Empty) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        raise SourceAway(f"source {config.address}: {reason}") from error
    finally:
        client.disconnect()
        client.loop_stop()
    return f"source {config.address}: takes {', '.join(config.topics)}"
