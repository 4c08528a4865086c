"""An answer to a prediction: is it an alert, does a rule say otherwise, does a person look at it?

For one thread, in event order: suppression and the alert budget remember what came before.
"""

from __future__ import annotations

from collections import OrderedDict

from stream_bridge.config.scoring import AlertConfig, ReviewConfig
from stream_bridge.records import Prediction, ShadowSaid
from stream_bridge.rules import Rules
from stream_bridge.scoring.alerts import AlertRule
from stream_bridge.scoring.answers import Answered

_KEYS = 100_000


class Judge:
    """Makes predictions of answers.

    Args:
      alert: when an answer is an alert.
      config: suppression, and the output that is the score.
      review: which scores are uncertain.
      rules: what overrides the model.
    """

    def __init__(self, alert: AlertRule, config: AlertConfig, review: ReviewConfig, rules: Rules):
        self._alert = alert
        self._score = config.score
        self._uncertain = review.uncertain
        self._rules = rules
        self._quiet = Suppression(config.suppress_seconds) if config.suppress_seconds else None

    def __call__(self, answered: Answered) -> Prediction:
        """The prediction of one answer."""
        event, row, shadow = answered.event, answered.row, answered.shadow
        said: ShadowSaid | None = None
        alert = self._alert(answered.model, answered.version, row)
        review: tuple[str, ...] = ()
        if self._uncertain is not None:
            value = row.get(self._score)
            if isinstance(value, float) and self._uncertain[0] <= value <= self._uncertain[1]:
                review = ("uncertain",)
        if shadow is not None:
            said = shadow.beside(row, alert, self._score, self._alert.over)
            if said.disagrees:
                review = (*review, "shadow")
        prediction = Prediction(
            event,
            answered.model,
            answered.version,
            row,
            alert,
            (answered.at - event.raw.read_at) * 1000,
            answered.cached,
            review=review,
            shadow=said,
        )
        prediction = self._rules.applied(prediction)
        if prediction.alert and self._quiet is not None and self._quiet.repeats(prediction):
            prediction = prediction._replace(suppressed=True)
        return prediction


class Suppression:
    """Alerts of a key after its first one, for a time by the events' own clock.

    Kept in memory only: after a restart the first alert of a key is told once more.

    Args:
      seconds: how long one alert silences its key.
    """

    def __init__(self, seconds: float):
        self._span = round(seconds * 1_000_000)
        self._told: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def repeats(self, alert: Prediction) -> bool:
        """Whether the alert only repeats an earlier one; events without a key never do."""
        event = alert.event
        if event.key is None:
            return False
        told = self._told.get(event.key)
        # An event that comes again after a failure is the one that was told, no repetition.
        if told and told[1] != event.id and abs(event.time - told[0]) < self._span:
            return True
        self._told[event.key] = (event.time, event.id)
        self._told.move_to_end(event.key)
        if len(self._told) > _KEYS:
            self._told.popitem(last=False)
        return False
