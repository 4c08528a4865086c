"""Google Cloud Pub/Sub: a subscription as the source, a topic as a sink."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, PositiveInt, field_validator

from stream_bridge.config.base import BrokerKeptSource, Frozen
from stream_bridge.config.routing import Routed

_ADDRESS = re.compile(r"pubsub://([a-z][a-z0-9:.-]*)/([A-Za-z][\w.~+%-]{2,254})")


class PubSubPlace(Frozen):
    """``pubsub://PROJECT/NAME``; ``PUBSUB_EMULATOR_HOST`` in the environment names an emulator.

    Attributes:
      credentials_file: key file of a service account; None takes the application default
        credentials.
      endpoint: ``HOST:PORT`` of the service; a regional one where messages are ordered.
    """

    address: str
    credentials_file: Path | None = None
    endpoint: str = "pubsub.googleapis.com:443"

    @field_validator("address")
    @classmethod
    def _complete(cls, address: str) -> str:
        if not _ADDRESS.fullmatch(address):
            raise ValueError(
                "write pubsub://PROJECT/SUBSCRIPTION (a sink: pubsub://PROJECT/TOPIC), "
                "for instance pubsub://my-project/events"
            )
        return address

    @property
    def project(self) -> str:
        """The project's id."""
        return self.address.removeprefix("pubsub://").partition("/")[0]

    @property
    def resource(self) -> str:
        """The name of the subscription or topic in its project."""
        return self.address.removeprefix("pubsub://").partition("/")[2]


class PubSubSource(PubSubPlace, BrokerKeptSource):
    """``pubsub://PROJECT/SUBSCRIPTION``; a message is acknowledged once its result is durable.

    Attributes:
      id_attribute: a message attribute that is the event's id where ``format.id`` names none, so
        that an event which was published twice has one id; None takes Pub/Sub's message id.
      time_attribute: a message attribute that is the event's time where ``format.time`` names
        none: milliseconds since the epoch, or ISO 8601; None takes the publish time.
      lease_seconds: a message is leased for this long and again, for as long as it is worked on;
        when a bridge dies, others get its messages after at most this time.
      max_messages: leased at once; more are left with Pub/Sub.
      pulls: requests for messages at a time.
    """

    id_attribute: str | None = None
    time_attribute: str | None = None
    lease_seconds: int = Field(default=30, ge=10, le=600)
    max_messages: PositiveInt = 5000
    pulls: int = Field(default=2, ge=1, le=16)

    @property
    def subscription(self) -> str:
        """Its full name."""
        return f"projects/{self.project}/subscriptions/{self.resource}"


class PubSubSink(PubSubPlace, Routed):
    """``pubsub://PROJECT/TOPIC``: one message per outcome, its id in the attribute ``event_id``.

    Attributes:
      ordered: the event's key is the ordering key.
    """

    ordered: bool = False

    @property
    def topic(self) -> str:
        """Its full name."""
        return f"projects/{self.project}/topics/{self.resource}"
