"""A Pub/Sub topic as a sink: one message per outcome.

Guarantee: at least once; the event's id is the attribute ``event_id``, and messages of one key
keep their order where the sink is ``ordered``. Pub/Sub has no transaction, so a call whose answer
was lost is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.pubsub_v1 import PublisherClient, PubsubMessage

from stream_bridge.config.pubsub import PubSubSink
from stream_bridge.errors import SinkError
from stream_bridge.pubsub import FAILED, client, reason
from stream_bridge.records import Written, key_of

_ATTEMPT_SECONDS = 10.0
# Pub/Sub's own bounds of a request, with room for the names.
_MESSAGES, _BYTES = 1000, 9_000_000


class PubSubWriter:
    """Publishes outcomes; goes on behind what Pub/Sub has confirmed."""

    def __init__(self, config: PubSubSink):
        self._config = config
        self._client = client(PublisherClient, config)
        self._batch: Sequence[Written] | None = None
        self._published = 0

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Returns when Pub/Sub has all of them; raises SinkError."""
        if outcomes is not self._batch:
            self._batch, self._published = outcomes, 0
        for messages in self._requests(outcomes, texts):
            try:
                self._client.publish(
                    topic=self._config.topic,
                    messages=messages,
                    retry=None,
                    timeout=_ATTEMPT_SECONDS,
                )
            except FAILED as error:
                raise SinkError(f"sink {self._config.address}: {reason(error)}") from error
            self._published += len(messages)
        self._batch = None

    def _requests(
        self, outcomes: Sequence[Written], texts: Sequence[bytes]
    ) -> Iterator[list[PubsubMessage]]:
        messages: list[PubsubMessage] = []
        size = 0
        for outcome, text in zip(
            outcomes[self._published :], texts[self._published :], strict=True
        ):
            key = key_of(outcome) if self._config.ordered else None
            if messages and (len(messages) == _MESSAGES or size + len(text) > _BYTES):
                yield messages
                messages, size = [], 0
            messages.append(
                PubsubMessage(
                    data=text, attributes={"event_id": outcome.name}, ordering_key=key or ""
                )
            )
            size += len(text)
        if messages:
            yield messages

    def close(self) -> None:
        """Closes the connection."""
        self._client.transport.close()
