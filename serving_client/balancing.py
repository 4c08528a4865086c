"""Which endpoint the next attempt goes to. No I/O, no clock of its own; safe across threads.

Fewest pending calls first, ties by turns; endpoints that keep failing are left alone for a while.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from serving_client.config import Ejection


@dataclass(eq=False)
class Endpoint:
    """One server address and what is known of it."""

    address: str
    pending: int = 0
    failures: int = 0
    ejections: int = 0
    ejected_until: float = 0.0
    served: int = 0  # for turns among equals


class Balancer:
    """The endpoints of one client."""

    def __init__(self, addresses: tuple[str, ...], policy: Ejection) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._turn = 0
        self._endpoints = [Endpoint(address) for address in addresses]
        self._leaving: list[Endpoint] = []

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses in use."""
        return tuple(endpoint.address for endpoint in self._endpoints)

    def replace(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Follow a changed list of addresses, keeping what is known.

        Returns those that have left and have no call under way; the others that left come with a
        later change or confirmation of the list.
        """
        with self._lock:
            known = {each.address: each for each in (*self._leaving, *self._endpoints)}
            self._endpoints = [known.pop(a) if a in known else Endpoint(a) for a in addresses]
            self._leaving = [each for each in known.values() if each.pending]
            return tuple(each.address for each in known.values() if not each.pending)

    def start(self, now: float, avoid: str | None = None) -> Endpoint:
        """Choose an endpoint and count a call on it; `avoid` is taken only if there is no other."""
        with self._lock:
            candidates = self._endpoints
            alone = len(candidates) == 1
            chosen = candidates[0] if alone else self._choose(now, avoid)
            chosen.pending += 1
            self._turn += 1
            chosen.served = self._turn
            return chosen

    def _choose(self, now: float, avoid: str | None) -> Endpoint:
        healthy = [e for e in self._endpoints if e.ejected_until <= now]
        others = [e for e in healthy if e.address != avoid]
        if others or healthy:
            return min(others or healthy, key=lambda e: (e.pending, e.served))
        return min(self._endpoints, key=lambda e: e.ejected_until)

    def succeeded(self, endpoint: Endpoint) -> None:
        """The call on `endpoint` was answered; an answer may well be an INVALID_ARGUMENT."""
        with self._lock:
            endpoint.pending -= 1
            endpoint.failures = 0
            endpoint.ejections = 0
            endpoint.ejected_until = 0.0

    def cancelled(self, endpoint: Endpoint) -> None:
        """The call on `endpoint` was given up here; that says nothing about it."""
        with self._lock:
            endpoint.pending -= 1

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """The call on `endpoint` failed in a way that another endpoint might not."""
        with self._lock:
            endpoint.pending -= 1
            endpoint.failures += 1
            if endpoint.failures < self._policy.failures or endpoint.ejected_until > now:
                return
            pause = self._policy.base_seconds * 2.0**endpoint.ejections
            endpoint.ejected_until = now + min(pause, self._policy.max_seconds)
            endpoint.ejections = min(endpoint.ejections + 1, 30)
