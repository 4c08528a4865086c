"""Clients of Pub/Sub for source, sink and check, and what its errors mean."""

from __future__ import annotations

import os
from typing import Any

import grpc
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from stream_bridge.config.pubsub import PubSubPlace, PubSubSink, PubSubSource
from stream_bridge.errors import SinkError, SourceAway, SourceError

_TRANSPORTS = {SubscriberClient: SubscriberGrpcTransport, PublisherClient: PublisherGrpcTransport}
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # gRPC's own two minutes are long after the service is back.
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
_CHECK_SECONDS = 10.0
# Asking again does not help against these.
FINAL = (
    exceptions.NotFound,
    exceptions.PermissionDenied,
    exceptions.Unauthenticated,
    exceptions.InvalidArgument,
    GoogleAuthError,
)
# What a call may raise.
FAILED = (exceptions.GoogleAPICallError, exceptions.RetryError, GoogleAuthError)


def client(kind: Any, place: PubSubPlace) -> Any:
    """A `SubscriberClient` or `PublisherClient` on a connection of its own.

    Raises SourceError where there are no credentials.
    """
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    transport = _TRANSPORTS[kind]
    if emulator:
        channel = grpc.insecure_channel(emulator, _CHANNEL_OPTIONS)
    else:
        file = place.credentials_file
        try:
            channel = transport.create_channel(
                place.endpoint,
                credentials_file=None if file is None else str(file),
                options=_CHANNEL_OPTIONS,
            )
        except (GoogleAuthError, OSError, ValueError) as error:
            raise SourceError(
                f"{place.address}: no credentials: {_first_line(error)}; set credentials_file, or "
                "run: gcloud auth application-default login"
            ) from error
    return kind(transport=transport(channel=channel))


def reason(error: Exception) -> str:
    """An error in words, without a traceback's noise."""
    if isinstance(error, exceptions.GoogleAPICallError):
        code = error.grpc_status_code
        name = code.name if code is not None else type(error).__name__
        return f"{name}: {_first_line(error.message)}"
    return _first_line(error)


def _first_line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def check_subscription(source: PubSubSource) -> str:
    """What was found, for people; raises SourceError where it cannot be read."""
    subscriber = client(SubscriberClient, source)
    try:
        found = subscriber.get_subscription(
            subscription=source.subscription, retry=None, timeout=_CHECK_SECONDS
        )
    except exceptions.PermissionDenied:
        # Who may only consume may not look; the first pull tells.
        return f"source {source.address}: this account may not look at it (roles/pubsub.viewer)"
    except FAILED as error:
        if not isinstance(error, FINAL):
            raise SourceAway(f"source {source.address}: {reason(error)}") from error
        raise SourceError(
            f"source {source.address}: {reason(error)}; create the subscription, or correct the "
            "address"
        ) from error
    finally:
        subscriber.transport.close()
    if found.push_config.push_endpoint or found.bigquery_config.table:
        raise SourceError(f"source {source.address}: it is no pull subscription")
    order = ", ordered" if found.enable_message_ordering else ""
    dead = found.dead_letter_policy
    letters = (
        f", to {dead.dead_letter_topic} after {dead.max_delivery_attempts} deliveries"
        if dead.dead_letter_topic
        else ""
    )
    return f"source {source.address}: subscription of {found.topic}{order}{letters}"


def check_topic(name: str, sink: PubSubSink) -> str:
    """What was found, for people; raises SinkError where it cannot be written."""
    publisher = client(PublisherClient, sink)
    try:
        publisher.get_topic(topic=sink.topic, retry=None, timeout=_CHECK_SECONDS)
    except exceptions.PermissionDenied:
        return f"sink {name}: this account may not look at {sink.address} (roles/pubsub.viewer)"
    except FAILED as error:
        raise SinkError(
            f"sink {name}: {sink.address}: {reason(error)}; create the topic, or correct the "
            "address"
        ) from error
    finally:
        publisher.transport.close()
    return f"sink {name}: topic {sink.topic}"
