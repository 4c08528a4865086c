"""The scoring core with a model that is a function: whose fault is a failure?"""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_client.errors import (
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from stream_bridge.config.scoring import (
    AlertConfig,
    BatchingConfig,
    FailureConfig,
    ReviewConfig,
)
from stream_bridge.errors import Abandoned
from stream_bridge.records import DeadLetter, Event, RawLine
from stream_bridge.rules import Failures, Rules
from stream_bridge.scoring.alerts import AlertRule
from stream_bridge.scoring.answers import Answer, Answered, BadAnswer, rows_of
from stream_bridge.scoring.batches import cut_batches
from stream_bridge.scoring.failures import Patience
from stream_bridge.scoring.in_flight import InFlight, Lane
from stream_bridge.scoring.judge import Judge
from stream_bridge.scoring.scorer import Scorer

QUICK = FailureConfig(backoff_seconds=0.001, max_backoff_seconds=0.002, attempts=3)


def event(text):
    raw = RawLine(text.encode(), "test", f"test:{text}", 0.0, 0)
    return Event(text, 0, text, None, "test", {}, raw)


def scorer(call, policy=QUICK, abandon=None, waits=None):
    patience = Patience(policy, abandon or threading.Event(), (waits or []).append)
    return Scorer(call, "m", policy, patience)


def good(texts):
    return Answer(1, [{"score": float(len(text))} for text in texts])


@given(st.lists(st.booleans(), min_size=1, max_size=64))
def test_exactly_the_poison_events_are_dead(poisoned):
    def call(texts):
        if any(text.startswith("poison") for text in texts):
            raise InvalidArgumentError("poison")
        return good(texts)

    events = [event(f"{'poison' if bad else 'fine'} {i}") for i, bad in enumerate(poisoned)]
    outcomes = scorer(call).score(events)
    assert [isinstance(outcome, DeadLetter) for outcome in outcomes] == poisoned
    assert [outcome.event for outcome in outcomes] == events


@pytest.mark.parametrize("error", [UnavailableError, NotFoundError, InternalError])
def test_a_server_that_comes_back_costs_no_event(error):
    left = [5]

    def call(texts):
        left[0] -= 1
        if left[0] >= 0:
            raise error("away")
        return good(texts)

    outcomes = scorer(call).score([event(f"t{i}") for i in range(8)])
    assert all(isinstance(outcome, Answered) for outcome in outcomes)


def test_a_text_that_crashes_the_server_is_dead_and_alone():
    def call(texts):
        if "crash" in texts:
            raise UnavailableError("connection reset")
        return good(texts)

    events = [event(text) for text in ("a", "b", "crash", "c")]
    outcomes = scorer(call).score(events)
    dead = [outcome for outcome in outcomes if isinstance(outcome, DeadLetter)]
    assert [letter.event.id for letter in dead] == ["crash"]
    assert dead[0].code == "UNAVAILABLE"
    assert dead[0].attempts == QUICK.attempts


def test_an_answer_with_rows_missing_kills_no_event_while_all_do():
    broken = [4]

    def call(texts):
        broken[0] -= 1
        return Answer(
            1, rows_of({"score": np.zeros(7 if broken[0] > 0 else len(texts))}, len(texts))
        )

    assert isinstance(scorer(call).score([event("t")])[0], Answered)


def test_waiting_can_be_abandoned():
    abandon = threading.Event()

    def call(texts):
        abandon.set()
        raise UnavailableError("away")

    with pytest.raises(Abandoned):
        scorer(call, abandon=abandon).score([event("t")])


@given(
    st.lists(st.text(max_size=50), max_size=60),
    st.integers(1, 10),
    st.integers(1, 100),
)
def test_batches_hold_each_index_once_and_keep_the_limits(texts, max_events, max_bytes):
    batches = cut_batches(texts, max_events, max_bytes)
    assert sorted(i for batch in batches for i in batch) == list(range(len(texts)))
    for batch in batches:
        assert len(batch) <= max_events
        size = sum(len(texts[i].encode()) for i in batch)
        assert size <= max_bytes or len(batch) == 1
    order = [len(texts[i]) for batch in batches for i in batch]
    assert order == sorted(order)


def test_in_flight_gives_outcomes_in_order():
    seen, lock = [], threading.Lock()

    def call(texts):
        with lock:
            seen.append(len(texts))
        return good(texts)

    config = BatchingConfig(max_events=4, sort_events=16, in_flight=3)
    judge = Judge(
        AlertRule(AlertConfig()), AlertConfig(), ReviewConfig(), Rules((), "score", Failures())
    )
    flying = InFlight(Lane(scorer(call)), config, judge)
    texts = ["x" * (i % 7) + str(i) for i in range(50)]
    scored = []
    for part in (texts[:3], texts[3:40], texts[40:]):
        scored += flying.add([event(text) for text in part])
    scored += flying.flush()
    flying.close()
    assert [outcome.event.id for outcome in scored] == texts
    assert max(seen) <= 4


def test_rows_are_plain_values():
    outputs = {
        "label": np.array([b"a", b"\xff"], dtype=object),
        "score": np.array([0.9, np.nan], dtype=np.float32),
        "tag": np.array([[b"x", b""], [b"y", b"z"]], dtype=object),
        "begin": np.array([[1, 0], [2, 3]], dtype=np.int32),
        "length": np.array([1, 2], dtype=np.int32),
    }
    assert rows_of(outputs, 2) == [
        {"label": "a", "score": 0.9, "tag": ["x"], "begin": [1], "length": 1},
        {"label": "\ufffd", "score": None, "tag": ["y", "z"], "begin": [2, 3], "length": 2},
    ]
    with pytest.raises(BadAnswer, match="shape"):
        rows_of({"score": np.zeros(())}, 1)
