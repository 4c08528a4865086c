"""How events are scored: batches, cache, alerts, review, and what happens when something fails."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from stream_bridge.config.base import Frozen


class BatchingConfig(Frozen):
    """How events are put together into calls.

    Attributes:
      max_events: events in one call.
      max_bytes: bytes of text in one call.
      wait_seconds: how long the first event of a batch waits for company, the time it may have
        waited for the batch before it included.
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
      threshold: alert when the output ``score`` is at least this; ``card`` takes the alert
        threshold of the answering version's model card; None: the model's own label.
      score: the output that is compared with ``threshold``.
      label: the label that means alert where there is no threshold.
      budget_share: at most this share of events, those with the highest scores, are alerts.
      budget_events: how many of the last scores that share is taken of.
      suppress_seconds: how long, in event time, an alert silences further ones of its key.
    """

    threshold: float | Literal["card"] | None = None
    score: str = "score"
    label: str = "anomaly"
    budget_share: float | None = Field(default=None, gt=0, le=1)
    budget_events: PositiveInt = 10_000
    suppress_seconds: PositiveFloat | None = None


class ReviewConfig(Frozen):
    """Which predictions a person should look at; rules and the shadow model add theirs.

    Attributes:
      uncertain: ``[low, high]``: scores from low to high are uncertain.
    """

    uncertain: tuple[float, float] | None = None

    @field_validator("uncertain")
    @classmethod
    def _low_before_high(cls, band: tuple[float, float] | None) -> tuple[float, float] | None:
        if band is not None and band[0] > band[1]:
            raise ValueError("write [low, high], the lower score first")
        return band


class ShadowConfig(Frozen):
    """A second model, or another label or version of the same, beside the first.

    Attributes:
      model: its name; None takes the first one's.
      label: its version label.
      version: its version.
      address: its server; None takes the first one's.
      mode: ``copy`` asks it too, and the first one answers; ``split`` lets it answer its share.
      share: of the events, by a stable hash of the key (of the id, where there is no key).
      timeout_seconds: ``copy`` waits no longer than this for it.
    """

    model: str | None = None
    label: str | None = None
    version: int | None = Field(default=None, ge=0)
    address: str | None = None
    mode: Literal["copy", "split"] = "copy"
    share: float = Field(default=1.0, gt=0, le=1)
    timeout_seconds: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _another_one(self) -> ShadowConfig:
        if self.version is not None and self.label is not None:
            raise ValueError("give version or label, not both")
        if (self.model, self.label, self.version, self.address) == (None, None, None, None):
            raise ValueError("say what is other: model, label, version or address")
        return self


class FailureConfig(Frozen):
    """What happens when something does not work.

    Attributes:
      attempts: failures in a row of one call, a text that worked before being answered between
        them, until it is the event's fault and no longer the server's.
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
