"""A Pub/Sub server with a journal: what it holds outlives its own death."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from google.api_core.exceptions import AlreadyExists, GoogleAPICallError
from google.pubsub_v1 import PublisherClient, PubsubMessage, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from examples.services.process import ROOT, Service, install

_MESSAGES = 500


class PubSub(Service):
    """The server; `PUBSUB_EMULATOR_HOST` has to be its address."""

    project = "local"

    def command(self) -> Sequence[str]:
        """The program of requirements/services/pubsub."""
        install("pubsub")
        binary = str(ROOT / ".tools" / "pubsub" / "pubsub")
        return [binary, "-address", self.address, "-journal", str(self.folder / "journal")]

    @contextmanager
    def clients(self) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
        """A publisher and a subscriber."""
        with grpc.insecure_channel(self.address) as channel:
            yield (
                PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
                SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
            )

    def topic(self, name: str, **subscription: Any) -> str:
        """Makes a topic with a subscription of the same name; returns their address.

        What an earlier run has left there stays as it is.
        """
        path = f"projects/{self.project}/topics/{name}"
        with self.clients() as (publisher, subscriber):
            with suppress(AlreadyExists):
                publisher.create_topic(name=path)
            with suppress(AlreadyExists):
                subscriber.create_subscription(
                    request={
                        "name": f"projects/{self.project}/subscriptions/{name}",
                        "topic": path,
                        **subscription,
                    }
                )
        return f"pubsub://{self.project}/{name}"

    def send(self, topic: str, values: Iterable[str | bytes], **message: Any) -> list[str]:
        """Publishes messages, trying again while the server is away; returns their ids."""
        ids: list[str] = []
        data = [value.encode() if isinstance(value, str) else value for value in values]
        while len(ids) < len(data):
            some = data[len(ids) : len(ids) + _MESSAGES]
            try:
                with self.clients() as (publisher, _):
                    answer = publisher.publish(
                        topic=f"projects/{self.project}/topics/{topic}",
                        messages=[PubsubMessage(data=value, **message) for value in some],
                        timeout=10,
                    )
            except GoogleAPICallError:
                time.sleep(0.1)
                continue
            ids += answer.message_ids
        return ids

    def messages(self, name: str) -> list[PubsubMessage]:
        """Takes, and acknowledges, all that a subscription holds now."""
        path, found = f"projects/{self.project}/subscriptions/{name}", []
        with self.clients() as (_, subscriber):
            while received := subscriber.pull(
                subscription=path, max_messages=1000, timeout=10
            ).received_messages:
                found += [each.message for each in received]
                subscriber.acknowledge(
                    subscription=path, ack_ids=[each.ack_id for each in received]
                )
        return found

    def __enter__(self) -> PubSub:
        super().__enter__()
        self._before = os.environ.get("PUBSUB_EMULATOR_HOST")
        os.environ["PUBSUB_EMULATOR_HOST"] = self.address
        return self

    def __exit__(self, *exc: object) -> None:
        if self._before is None:
            del os.environ["PUBSUB_EMULATOR_HOST"]
        else:
            os.environ["PUBSUB_EMULATOR_HOST"] = self._before
        super().__exit__(*exc)
