"""Rules beside the model: drop before it is asked, override what it said, or ask a person.

A rule that fails on an event (an attribute is not there) does not hold for it, is counted, and
costs no event.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from stream_bridge.config.rules import RuleConfig
from stream_bridge.expressions import EVENT, Expression, prediction_variables
from stream_bridge.records import Event, Prediction

_LOG = logging.getLogger(__name__)


class Failures:
    """How often the expressions failed, by the name of their owner; safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def note(self, name: str, event_id: str, error: ValueError) -> None:
        """Counts one, and logs the first of each."""
        with self._lock:
            self._counts[name] += 1
            first = self._counts[name] == 1
        if first:
            _LOG.warning("%s does not work on event %s: %s", name, event_id, error)

    def counts(self) -> dict[str, int]:
        """Failures so far."""
        with self._lock:
            return dict(self._counts)


class Rules:
    """The compiled rules of one bridge.

    Args:
      configs: the rules, in order.
      score: the output that ``score`` stands for.
      failures: told of rules that fail.

    Raises ValueError with the name of a rule that cannot be compiled.
    """

    def __init__(self, configs: Sequence[RuleConfig], score: str, failures: Failures):
        self._failures = failures
        predictions = prediction_variables(score)
        self._drop: list[tuple[RuleConfig, Expression]] = []
        self._after: list[tuple[RuleConfig, Expression]] = []
        for config in configs:
            before = config.do == "drop"
            try:
                compiled = Expression(config.when, EVENT if before else predictions)
            except ValueError as error:
                raise ValueError(f"rule {config.name!r}: {error}") from error
            (self._drop if before else self._after).append((config, compiled))

    def dropping(self, event: Event) -> str | None:
        """The name of the rule that drops an event, or None."""
        for config, holds in self._drop:
            if self._holds(config, holds, event, event.id):
                return config.name
        return None

    def applied(self, prediction: Prediction) -> Prediction:
        """The prediction after the rules that hold for it; each sees what those before it did."""
        for config, holds in self._after:
            if not self._holds(config, holds, prediction, prediction.event.id):
                continue
            changes: dict[str, Any] = {"rules": (*prediction.rules, config.name)}
            if config.do == "review":
                changes["review"] = (*prediction.review, f"rule:{config.name}")
            elif config.set is not None:
                if config.set.alert is not None:
                    changes["alert"] = config.set.alert
                if config.set.label is not None:
                    changes["outputs"] = {**prediction.outputs, "label": config.set.label}
            prediction = prediction._replace(**changes)
        return prediction

    def _holds(self, config: RuleConfig, holds: Expression, value: Any, event_id: str) -> bool:
        try:
            return holds(value)
        except ValueError as error:
            self._failures.note(f"rule {config.name}", event_id, error)
            return False
