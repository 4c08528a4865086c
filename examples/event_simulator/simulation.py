"""The simulation: ordinary lines, and now and then an incident among them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

from .fleet import Fleet
from .incidents import KNOWN, NEW, Incident, Kind
from .load import hour_of_day, moments
from .records import Event

# Incidents are measured in lines, not minutes, so that any rate shows whole ones: an incident goes
# on for so many lines of the whole fleet and raises this share of them.
_LENGTH_LINES = (20, 60)
_SHARE = (0.12, 0.4)


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    `rate` is the mean in lines per second, `start` and `new_incidents_after` are seconds since
    the epoch, `abnormal_share` is the share of abnormal lines in the long run.
    """

    seed: int
    start: float
    rate: float
    daily: bool
    abnormal_share: float = 0.065
    new_incidents_after: float | None = None


def simulate(plan: Plan) -> Iterator[Event]:
    """Endless events in time order; the same plan gives the same events."""
    rng = random.Random(plan.seed)
    fleet = Fleet()
    schedule = _Schedule(plan, fleet, rng)
    run = hashlib.sha256(f"{plan.seed} {plan.start!r}".encode()).hexdigest()[:8]
    for n, after in enumerate(moments(rng, plan.rate, start=plan.start, daily=plan.daily)):
        now = plan.start + after
        incident = schedule.next_line(now)
        host, line, message = incident.draw(rng) if incident else fleet.draw(rng, hour_of_day(now))
        yield Event(
            id=f"{run}-{n:07d}",
            time=now,
            service=line.service,
            host=host,
            severity=line.severity,
            message=message,
            incident=incident.kind.name if incident else None,
        )


class _Schedule:
    """Begins incidents and says which of them, if any, raises the next line.

    Kinds are dealt from a shuffled deck, so every kind comes once before any comes again.
    """

    def __init__(self, plan: Plan, fleet: Fleet, rng: random.Random):
        self._plan = plan
        self._fleet = fleet
        self._rng = rng
        raised = sum(_LENGTH_LINES) / 2 * sum(_SHARE) / 2
        self._gap = raised / plan.abnormal_share if plan.abnormal_share else float("inf")
        self._until_next = self._gap * rng.uniform(0.2, 0.6)
        self._active: list[Incident] = []
        self._deck: list[Kind] = []
        self._switched = False

    def next_line(self, now: float) -> Incident | None:
        """The incident that raises the line at `now`, or None for an ordinary line."""
        switch = self._plan.new_incidents_after
        if switch is not None and now >= switch and not self._switched:
            self._switched = True
            self._deck = []  # deal again, the new kinds first
            self._until_next = 0
        self._until_next -= 1
        if self._until_next <= 0:
            self._until_next = self._gap * self._rng.uniform(0.5, 1.5)
            self._active.append(self._begin())
        struck = None
        for incident in self._active:
            if incident.strikes(self._rng):
                struck = incident
        self._active = [i for i in self._active if not i.over]
        return struck

    def _begin(self) -> Incident:
        if not self._deck:
            self._deck = self._rng.sample(KNOWN, len(KNOWN))
            if self._switched:
                self._deck += self._rng.sample(NEW, len(NEW))  # taken from the end
        length = self._rng.randint(*_LENGTH_LINES)
        return Incident(
            self._deck.pop(), length, self._rng.uniform(*_SHARE), self._fleet, self._rng
        )
