"""What scoring needs in one process, put together from the config: servers, rules, judge, calls."""

from __future__ import annotations

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.rules import Failures, Rules
from stream_bridge.scoring.alerts import AlertRule
from stream_bridge.scoring.cache import AnswerCache
from stream_bridge.scoring.failures import Patience
from stream_bridge.scoring.in_flight import InFlight, Lane
from stream_bridge.scoring.judge import Judge
from stream_bridge.scoring.scorer import Scorer
from stream_bridge.server import ModelServer
from stream_bridge.shadow import Shadow, second_server


class Scoring:
    """Connections to the models, and what is remembered of their answers. For one thread.

    Args:
      config: the bridge.
      patience: how to wait for a server that is away.
      failures: told of rules that fail.

    Attributes:
      server: the model.
      rules: what drops events and overrides the model.
      cache: answers that are kept, or None.
      shadow: the second model, or None.
      in_flight: takes events, gives outcomes.
    """

    def __init__(self, config: BridgeConfig, patience: Patience, failures: Failures):
        self._config = config
        self._patience = patience
        self.server = ModelServer(config.server)
        self.rules = Rules(config.rules, config.alert.score, failures)
        self.shadow: Shadow | None = None
        self._second_server: ModelServer | None = None
        second: Lane | None = None
        if config.shadow is not None:
            self._second_server = ModelServer(second_server(config.shadow, config.server))
            self.shadow = Shadow(
                config.shadow,
                self._second_server,
                self._second_server.config.model,
                config.alert.score,
                config.batching.in_flight,
            )
            if self.shadow.splits:
                second = self._lane(self._second_server, second=True)
        first = self._lane(self.server)
        self.cache = first.cache
        judge = Judge(
            AlertRule(config.alert, self._alert_threshold),
            config.alert,
            config.review,
            self.rules,
        )
        self.in_flight = InFlight(first, config.batching, judge, self.shadow, second)

    def _alert_threshold(self, model: str, version: int) -> float | None:
        """Of the model's own card, whichever of the two servers has it."""
        for server in (self.server, self._second_server):
            if server is not None and server.config.model == model:
                threshold = server.alert_threshold(version)
                if threshold is not None:
                    return threshold
        return None

    def _lane(self, server: ModelServer, *, second: bool = False) -> Lane:
        config = self._config
        call = server if self.shadow is None else self.shadow.timed(server, second=second)
        scorer = Scorer(
            call, server.config.model, config.failure, self._patience, server.config.probe_text
        )
        cached = config.cache.enabled
        return Lane(scorer, AnswerCache(config.cache, server.cleaning_rules) if cached else None)

    def close(self) -> None:
        """Waits for open calls, and closes the connections."""
        self.in_flight.close()
        self.server.close()
        if self.shadow is not None and self._second_server is not None:
            self.shadow.close()
            self._second_server.close()
