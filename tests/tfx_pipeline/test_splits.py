from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfx_pipeline.config import SPLITS, SplitConfig
from tfx_pipeline.dataset.splits import split_events
from tfx_pipeline.errors import DataError
from tfx_pipeline.records import LabelledEvent


def event(number, time=None, text=None, split=None):
    return LabelledEvent(
        str(number), time, text if text is not None else f"text {number}", "x", given_split=split
    )


def test_time_decides_when_there_is_time():
    events = [event(n, time=(n * 37) % 100) for n in range(100)]
    split = split_events(events, SplitConfig(), drop_duplicates=True)
    assert split.rule == "time"
    assert [len(split.events[name]) for name in SPLITS] == [70, 10, 20]
    assert max(e.event_time for e in split.events["train"]) <= min(
        e.event_time for e in split.events["eval"]
    )
    assert max(e.event_time for e in split.events["eval"]) <= min(
        e.event_time for e in split.events["test"]
    )


def test_the_hash_of_the_text_decides_without_time_and_is_stable():
    events = [event(n) for n in range(500)]
    first = split_events(events, SplitConfig(), drop_duplicates=True)
    again = split_events(events[::-1], SplitConfig(), drop_duplicates=True)
    assert first.rule == "hash"
    for name in SPLITS:
        assert {e.event_id for e in first.events[name]} == {e.event_id for e in again.events[name]}


def test_a_given_split_is_kept_and_eval_is_taken_from_train_only():
    events = [event(n, split="train") for n in range(200)]
    events += [event(n, split="test") for n in range(200, 250)]
    split = split_events(events, SplitConfig(), drop_duplicates=True)
    assert split.rule == "given"
    assert {e.event_id for e in split.events["test"]} == {str(n) for n in range(200, 250)}
    assert len(split.events["train"]) + len(split.events["eval"]) == 200
    assert split.events["eval"]


@given(st.lists(st.integers(0, 12), min_size=40, max_size=120), st.booleans())
def test_no_text_stands_in_two_splits_and_every_drop_is_counted(texts, timed):
    events = [event(n, n if timed else None, f"t{text}") for n, text in enumerate(texts)]
    try:
        split = split_events(events, SplitConfig(), drop_duplicates=True)
    except DataError:
        return
    seen = [{e.text for e in split.events[name]} for name in SPLITS]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    kept = sum(len(split.events[name]) for name in SPLITS)
    assert kept + sum(split.dropped.values()) == len(events)


def test_duplicates_may_be_kept():
    events = [event(n, n, "same") for n in range(10)]
    split = split_events(events, SplitConfig(), drop_duplicates=False)
    assert sum(len(part) for part in split.events.values()) == 10


def test_an_empty_split_says_what_to_do():
    with pytest.raises(DataError, match=r"the eval split is empty.*data\.duplicates: keep"):
        split_events([event(n, n, "same") for n in range(10)], SplitConfig(), True)


def test_a_rule_that_cannot_be_used_is_refused():
    with pytest.raises(DataError, match="event_time is not set"):
        split_events([event(1)], SplitConfig(rule="time"), True)
    with pytest.raises(DataError, match="names no splits"):
        split_events([event(1)], SplitConfig(rule="given"), True)
