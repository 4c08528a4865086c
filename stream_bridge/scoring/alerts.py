"""When a prediction is an alert: a threshold from the config, else the model's own label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stream_bridge.config.scoring import AlertConfig


def alert_rule(config: AlertConfig) -> Callable[[dict[str, Any]], bool]:
    """A function from an event's output row to whether it is an alert."""
    threshold, score, label = config.threshold, config.score, config.label
    if threshold is None:
        return lambda row: row.get("label") == label

    def over_threshold(row: dict[str, Any]) -> bool:
        value = row.get(score)
        return isinstance(value, int | float) and value >= threshold

    return over_threshold
