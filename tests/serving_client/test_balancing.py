"""Retries and balancing as plain logic, with a hand-cranked clock."""

from __future__ import annotations

import pytest

from serving_client.balancing import Balancer
from serving_client.config import Ejection, Retry
from serving_client.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    UnavailableError,
)
from serving_client.retries import Attempts, Budget


def test_fewest_pending_then_turns():
    balancer = Balancer(("a", "b", "c"), Ejection())
    assert [balancer.start(0).address for _ in range(4)] == ["a", "b", "c", "a"]
    second = next(e for e in balancer._endpoints if e.address == "b")
    balancer.succeeded(second)
    assert balancer.start(0).address == "b"


def test_failing_endpoints_are_left_alone_for_longer_each_time():
    balancer = Balancer(("a", "b"), Ejection(failures=2, base_seconds=1, max_seconds=3))

    def fail(now):
        endpoint = next(e for e in balancer._endpoints if e.address == "a")
        endpoint.pending += 1
        balancer.failed(endpoint, now)

    fail(0)
    fail(0)
    assert {balancer.start(0.5).address for _ in range(5)} == {"b"}
    assert balancer.start(1.0).address == "a"
    fail(1.0)
    assert balancer.start(2.9).address == "b"
    fail(3.1)
    assert balancer._endpoints[0].ejected_until == pytest.approx(6.1)


def test_when_all_are_ejected_the_next_to_return_is_used():
    balancer = Balancer(("a", "b"), Ejection(failures=1))
    balancer.failed(balancer.start(0), 0)
    balancer.failed(balancer.start(0), 0.5)
    assert balancer.start(0.6).address == "a"


def test_a_retry_goes_elsewhere():
    balancer = Balancer(("a", "b"), Ejection())
    for _ in range(3):
        assert balancer.start(0, avoid="a").address == "b"


def test_replacing_addresses_keeps_what_is_known():
    balancer = Balancer(("a", "b"), Ejection(failures=1))
    balancer.failed(balancer.start(0), 0)
    assert balancer.replace(("a", "c")) == ("b",)
    assert balancer.addresses == ("a", "c")
    assert balancer.start(0).address == "c"


def test_waits_grow_with_jitter_and_respect_the_deadline():
    policy = Retry(initial_backoff_seconds=0.1, max_backoff_seconds=1)
    attempts = Attempts(policy, Budget(policy), deadline=100)
    for made, longest in ((1, 0.1), (2, 0.2), (3, 0.4), (9, 1.0)):
        attempts.made = made
        for _ in range(20):
            assert longest / 2 <= attempts.delay_after(UnavailableError(""), 0) <= longest
    assert attempts.delay_after(UnavailableError(""), 99.5) <= 0.25
    assert attempts.delay_after(UnavailableError(""), 99.995) is None
    with pytest.raises(DeadlineExceededError):
        attempts.timeout(100)


def test_only_retryable_errors():
    policy = Retry()
    attempts = Attempts(policy, Budget(policy), deadline=100)
    assert attempts.delay_after(InvalidArgumentError(""), 0) is None
    assert attempts.delay_after(DeadlineExceededError(""), 0) is None
    assert attempts.delay_after(InvalidArgumentError("", retryable=True), 0) is not None


def test_the_budget_slows_retries_down():
    policy = Retry(budget_capacity=2, budget_per_second=1, budget_ratio=0.5)
    budget = Budget(policy)
    assert budget.reserve(10, 5) == 0
    assert budget.reserve(10, 5) == 0
    assert budget.reserve(10, 5) == pytest.approx(1)
    assert budget.reserve(10, 0.5) is None
    budget.succeeded()
    budget.succeeded()
    assert budget.reserve(10, 5) == pytest.approx(1)
    assert budget.reserve(20, 0) == 0
