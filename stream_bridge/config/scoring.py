"""How events are scored: batches, cache, alerts, and what happens when something fails."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from stream_bridge.config.base import Frozen


class BatchingConfig(Frozen):
    """How events are put together into calls.

    Attributes:
      max_events: events in one call.
      max_bytes: bytes of text in one call.
      wait_seconds: how long the first event of a batch waits for company.
      in_flight: calls that may be open at once.
      sort_events: how many events are sorted by length together before they are cut into calls.
      commit_seconds: how often positions are committed while events keep coming.
    """

    max_events: PositiveInt = 32
    max_bytes: PositiveInt = 1 << 20
    wait_seconds: float = Field(default=0.02, ge=0)
    in_flight: PositiveInt = 2
    sort_events: PositiveInt = 128
    commit_seconds: PositiveFloat = 0.5


class CacheConfig(Frozen):
    """Answers that are kept, by model version and text as the model cleans it.

    Attributes:
      enabled: off asks the model for every event.
      max_entries: texts that are kept; the longest unused go first.
      refresh_seconds: how often one event is asked although it is known, to notice a new version.
    """

    enabled: bool = True
    max_entries: PositiveInt = 20_000
    refresh_seconds: float = Field(default=1.0, ge=0)


class AlertConfig(Frozen):
    """When an event is an alert.

    Attributes:
      threshold: alert when the output ``score`` is at least this; None: the model's own label.
      score: the output that is compared with ``threshold``.
      label: the label that means alert where there is no threshold.
    """

    threshold: float | None = None
    score: str = "score"
    label: str = "anomaly"


class FailureConfig(Frozen):
    """What happens when something does not work.

    Attributes:
      attempts: failures in a row of one call before asking, with a text that worked, whether it
        is the server or the event.
      backoff_seconds: first wait between attempts; doubles up to ``max_backoff_seconds``.
      max_backoff_seconds: longest wait between attempts.
      max_wait_seconds: how long to wait for a server or sink that is away before giving up
        (nothing is lost: the position stays); None waits for ever.
      drain_seconds: how long a stopping bridge works on what it has read.
      restarts: how often a failed pipeline is started again without progress in between.
    """

    attempts: PositiveInt = 4
    backoff_seconds: PositiveFloat = 0.1
    max_backoff_seconds: PositiveFloat = 5.0
    max_wait_seconds: PositiveFloat | None = None
    drain_seconds: PositiveFloat = 10.0
    restarts: int = Field(default=3, ge=0)
