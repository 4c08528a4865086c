"""When an answer is an alert: a threshold, a budget, or the model's own label."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from typing import Any

from stream_bridge.config.scoring import AlertConfig

# Below this many scores a quantile of them says nothing.
_FEWEST_SCORES = 100


class AlertRule:
    """Whether a row of outputs is an alert. For one thread.

    The threshold comes from the config, or per version from the model's card; where there is none,
    the label decides. A budget alerts the highest share of the last scores that also pass that.

    Args:
      config: threshold, budget, and which outputs they look at.
      card_threshold: the alert threshold of the card of a model's version, or None where it has
        none.
    """

    def __init__(
        self,
        config: AlertConfig,
        card_threshold: Callable[[str, int], float | None] = lambda model, version: None,
    ):
        self._config = config
        self._card_threshold = card_threshold
        self._budget = Budget(config.budget_share, config.budget_events)

    def __call__(self, model: str, version: int, row: dict[str, Any]) -> bool:
        """Whether it is an alert; the score counts in the budget."""
        over = self.over(model, version, row)
        if self._config.budget_share is None:
            return over
        return self._budget.allows(row.get(self._config.score)) and over

    def over(self, model: str, version: int, row: dict[str, Any]) -> bool:
        """Whether the threshold, or the label, makes it an alert; no budget asked."""
        threshold = self._config.threshold
        if threshold == "card":
            threshold = self._card_threshold(model, version)
        if threshold is None:
            # A budget needs no threshold, and models without the label have none.
            if self._config.budget_share is not None and "label" not in row:
                return True
            return row.get("label") == self._config.label
        value = row.get(self._config.score)
        return isinstance(value, int | float) and value >= threshold


class Budget:
    """The highest share of the last scores; before there are enough of them, every score.

    Args:
      share: how many of all events may be alerts, 0 to 1.
      events: how many scores are remembered.
    """

    def __init__(self, share: float | None, events: int):
        self._share = share or 1.0
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._size = events
        self._fewest = max(_FEWEST_SCORES, round(1 / self._share))

    def allows(self, score: Any) -> bool:
        """Whether a score is among the highest share; it is remembered."""
        if not isinstance(score, int | float):
            return False
        value = float(score)
        above = len(self._sorted) - bisect_left(self._sorted, value)
        seen = len(self._sorted)
        insort(self._sorted, value)
        self._recent.append(value)
        if len(self._recent) > self._size:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        return seen < self._fewest or above < self._share * seen
