"""Whether, and after how long, a failed call is tried again. No I/O, no clock of its own."""

from __future__ import annotations

import random
import threading

from serving_client.config import Retry
from serving_client.errors import DeadlineExceededError, ServingError

# With less than this left until the deadline another attempt is not worth making.
_LAST_CHANCE_SECONDS = 0.01


class Budget:
    """Tokens that retries of all calls of one client share; see `config.Retry`."""

    def __init__(self, policy: Retry) -> None:
        self._rate = policy.budget_per_second
        self._ratio = policy.budget_ratio
        self._capacity = policy.budget_capacity
        self._tokens = policy.budget_capacity
        self._updated = 0.0
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """A call went through: earn a part of a token."""
        if self._tokens < self._capacity:  # unlocked on purpose: full is the usual case
            with self._lock:
                self._tokens = min(self._capacity, self._tokens + self._ratio)

    def reserve(self, now: float, patience: float) -> float | None:
        """Take one token; the seconds until it is there, or None if that is over `patience`."""
        with self._lock:
            if self._updated:
                earned = max(0.0, now - self._updated) * self._rate
                self._tokens = min(self._capacity, self._tokens + earned)
            self._updated = now
            wait = max(0.0, (1.0 - self._tokens) / self._rate)
            if wait > patience:
                return None
            self._tokens -= 1.0
            return wait


class Attempts:
    """The attempts of one call under a total deadline (a time of the same clock as `now`)."""

    def __init__(self, policy: Retry, budget: Budget, deadline: float) -> None:
        self._policy = policy
        self._budget = budget
        self._deadline = deadline
        self.made = 0

    def timeout(self, now: float) -> float:
        """Seconds the next attempt may take. DeadlineExceededError when none are left."""
        left = self._deadline - now
        if left <= 0:
            raise DeadlineExceededError("the deadline passed before the call could be sent")
        limit = self._policy.attempt_timeout_seconds
        return left if limit is None else min(left, limit)

    def delay_after(self, error: ServingError, now: float) -> float | None:
        """Seconds to wait before the next attempt, or None to give up with `error`."""
        policy = self._policy
        if not self._may_retry(error, now):
            return None
        if policy.max_attempts is not None and self.made >= policy.max_attempts:
            return None
        growth: float = policy.multiplier ** min(self.made - 1, 30)
        backoff = min(policy.max_backoff_seconds, policy.initial_backoff_seconds * growth)
        backoff *= random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        left = self._deadline - now
        if left < _LAST_CHANCE_SECONDS:
            return None
        backoff = min(backoff, left / 2)  # leave time for the attempt itself
        wait = self._budget.reserve(now, left)
        if wait is None:
            return None
        return max(backoff, wait)

    def _may_retry(self, error: ServingError, now: float) -> bool:
        if isinstance(error, DeadlineExceededError):
            # Only where the attempt's own limit ran out, not the call's.
            return self._policy.attempt_timeout_seconds is not None and now < self._deadline
        return error.retryable
