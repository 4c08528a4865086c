"""The model server as the bridge sees it: texts in, rows out, through `serving_client`."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import orjson

from serving_client import Client, Ejection, Retry, ServingError
from stream_bridge.config.server import ServerConfig
from stream_bridge.scoring.answers import Answer, rows_of
from stream_bridge.scoring.cleaning import Rule

_LOG = logging.getLogger(__name__)
_CARD_RETRY_SECONDS = 5.0


class ModelServer:
    """Calls one model; safe to use from several threads.

    Attributes:
      input: the signature's text input; from the config, else asked of the server once.
    """

    def __init__(self, config: ServerConfig):
        self.config = config
        self._cards: dict[int, dict[str, Any]] = {}
        self._no_card_until: dict[int, float] = {}
        self.input = config.input
        # Waiting and trying again are the bridge's own: it tells the server's fault from an
        # event's, holds the source meanwhile, and must hear of every failure.
        self.client = Client(
            config.address,
            timeout=config.timeout_seconds,
            retry=Retry(max_attempts=1),
            ejection=Ejection(base_seconds=0.05, max_seconds=0.1),
            check=False,
        )

    def __call__(self, texts: Sequence[str]) -> Answer:
        """Scores texts, one row each; raises ServingError or BadAnswer."""
        config = self.config
        inputs = list(texts)
        result = self.client.predict(
            config.model,
            {self.input: inputs} if self.input else inputs,
            version=config.version,
            label=config.label,
            signature=config.signature,
            outputs=list(config.outputs) or None,
            timeout=config.timeout_seconds,
        )
        return Answer(result.version, rows_of(result.outputs, len(inputs)))

    def cleaning_rules(self, version: int) -> list[Rule]:
        """How a version cleans its text, from its card; none where it has no card or is away."""
        # Without rules only equal texts share an answer, which is always right.
        return list(self.card(version).get("text_cleaning", ()))

    def alert_threshold(self, version: int) -> float | None:
        """The alert threshold of a version's card; None where it has none, or is away."""
        value = self.card(version).get("thresholds", {}).get("alert")
        return float(value) if isinstance(value, int | float) else None

    def card(self, version: int) -> dict[str, Any]:
        """A version's model card; empty where it has none, or is away (it is asked again then)."""
        if version in self._cards:
            return self._cards[version]
        if time.monotonic() < self._no_card_until.get(version, 0.0):
            return {}
        try:
            card = self.read_card(version)
        except ServingError as error:
            _LOG.info("no card of version %s: %s", version, error)
            self._no_card_until[version] = time.monotonic() + _CARD_RETRY_SECONDS
            return {}
        return card

    def read_card(self, version: int) -> dict[str, Any]:
        """A version's model card, asked now; empty where it says nothing. Raises ServingError."""
        try:
            result = self.client.predict(
                self.config.model,
                {},
                version=version,
                signature="model_card",
                timeout=self.config.timeout_seconds,
            )
            card = dict(orjson.loads(result.outputs["card"].flat[0]))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            _LOG.info("the card of version %s is no card: %s", version, error)
            card = {}
        self._cards[version] = card
        return card

    def close(self) -> None:
        """Closes the channel."""
        self.client.close()
