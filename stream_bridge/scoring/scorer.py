"""Events to answers of a model, one batch at a time; failures become dead letters.

A failed batch is bisected, so that one poison event costs about ``2 log2(n)`` extra calls and is
alone in the dead letters. A server that is away is waited for, see `scoring.failures`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from serving_client.errors import ServingError
from stream_bridge.config.scoring import FailureConfig
from stream_bridge.records import DeadLetter, Event
from stream_bridge.scoring.answers import Answer, Answered, BadAnswer
from stream_bridge.scoring.failures import (
    MAY_BE_ONE_EVENT,
    REFUSED_AT_ONCE,
    Patience,
    Refusal,
)
from stream_bridge.timestamps import now

Call = Callable[[Sequence[str]], Answer]


class Scorer:
    """Scores batches; safe to use from several threads.

    Args:
      call: sends texts to the model; raises ServingError or BadAnswer.
      model: the model's name.
      policy: attempts and waits.
      patience: how to wait.
      probe_text: a text every model can score, until one that worked is known.
    """

    def __init__(
        self,
        call: Call,
        model: str,
        policy: FailureConfig,
        patience: Patience,
        probe_text: str = "ok",
    ):
        self._call = call
        self.model = model
        self._policy = policy
        self._patience = patience
        self._known_good = probe_text

    def score(self, events: Sequence[Event]) -> list[Answered | DeadLetter]:
        """One outcome per event, in order. Raises WaitedTooLong or Abandoned, never loses one."""
        outcomes: list[Answered | DeadLetter | None] = [None] * len(events)
        first = now()
        parts = [list(range(len(events)))]
        while parts:
            part = parts.pop()
            answer = self._ask([events[i].text for i in part])
            if isinstance(answer, Answer):
                at = time.monotonic()
                for index, row in zip(part, answer.rows, strict=True):
                    outcomes[index] = Answered(events[index], self.model, answer.version, row, at)
            elif len(part) > 1:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
            else:
                event = events[part[0]]
                outcomes[part[0]] = DeadLetter(
                    event.raw,
                    event,
                    "score",
                    answer.code,
                    answer.message,
                    answer.attempts,
                    first,
                    now(),
                )
        return outcomes  # type: ignore[return-value] - every index stood in one part

    def _ask(self, texts: list[str]) -> Answer | Refusal:
        """The answer, or the refusal once it is sure that the server is not at fault."""
        attempts = 0
        while True:
            try:
                answer = self._call(texts)
            except (ServingError, BadAnswer) as error:
                attempts += 1
                if len(texts) > 1 and error.code in MAY_BE_ONE_EVENT:
                    return Refusal(error.code, str(error), attempts)
                if error.code in REFUSED_AT_ONCE:
                    if self._probe() is None:
                        return Refusal(error.code, str(error), attempts)
                    # A server that refuses everything has nothing to say about this event.
                    attempts = 0
                self._patience.wait_until(self._probe, str(error))
                # The server works, and yet: that many times in a row means it is the event.
                if attempts >= self._policy.attempts:
                    return Refusal(error.code, str(error), attempts)
            else:
                self._known_good = texts[0]
                return answer

    def _probe(self) -> Exception | None:
        try:
            self._call([self._known_good])
        except (ServingError, BadAnswer) as error:
            return error
        return None
