from __future__ import annotations

import pytest

from tfx_pipeline.config import PipelineConfig, TimeConfig
from tfx_pipeline.dataset.events import label_events, parse_time
from tfx_pipeline.records import LabelledEvent, RejectedRow, Row

CONFIG = PipelineConfig.model_validate(
    {
        "name": "m",
        "task": "anomaly",
        "data": {
            "text": "{service} {message}",
            "event_id": "id",
            "event_time": {"field": "time"},
            "features": ["service"],
            "normal": ["-", "normal"],
            "weight": "w",
        },
    }
)
GOOD = {
    "id": "7",
    "time": "1970-01-01T00:00:01.5Z",
    "service": "db",
    "message": "up",
    "label": "-",
    "w": "2",
}


def only(fields):
    (item,) = label_events(iter([Row("f", 3, "f:0", fields)]), CONFIG, None)
    return item


def test_a_row_becomes_an_event():
    assert only(GOOD) == LabelledEvent("7", 1_500_000, "db up", "normal", 2.0, {"service": "db"})
    assert only({**GOOD, "label": "disk"}).label == "anomaly"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": "yesterday"}, "event time 'yesterday'"),
        ({"label": " "}, "label"),
        ({"service": " ", "message": ""}, "the text is empty"),
        ({"w": "-1"}, "weight"),
        ({"w": "nan"}, "weight"),
        ({"w": "heavy"}, "heavy"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(change, reason):
    item = only({**GOOD, **change})
    assert isinstance(item, RejectedRow)
    assert reason in item.reason
    assert (item.file, item.number) == ("f", 3)


def test_a_missing_field_names_the_fields_there_are():
    item = only({key: value for key, value in GOOD.items() if key != "message"})
    assert item.reason == "no field 'message' (the row has: id, label, service, time, w)"


@pytest.mark.parametrize(
    ("text", "format_", "zone", "expected"),
    [
        ("1117838570", "unix", "UTC", 1117838570_000000),
        ("1117838570123", "unix_ms", "UTC", 1117838570_123000),
        ("2005-06-03-15.42.50.675872", "%Y-%m-%d-%H.%M.%S.%f", "UTC", 1117813370_675872),
        ("2005-06-03 15:42:50", "iso", "Europe/Berlin", 1117806170_000000),
        ("2005-06-03T15:42:50+02:00", "iso", "UTC", 1117806170_000000),
    ],
)
def test_times(text, format_, zone, expected):
    assert parse_time(text, TimeConfig(field="t", format=format_, zone=zone)) == expected
