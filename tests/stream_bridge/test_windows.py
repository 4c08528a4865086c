"""Windows of event time, with a watermark that the test moves."""

import json

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import TimestampedValue
from pydantic import ValidationError

from stream_bridge.config.windows import WindowsConfig
from stream_bridge.event_clock import EventClock
from stream_bridge.records import Event, Prediction, RawLine
from stream_bridge.windows import TOO_LATE, SummarizeWindows

NOW = {"watermark": None}


def watermark():
    return NOW["watermark"]


def at(seconds, key="web", score=0.1):
    raw = RawLine(b"", "in", "in:0", 0.0, 0)
    event = Event(f"{key}@{seconds}", round(seconds * 1e6), "t", key, "in", {}, raw)
    return TimestampedValue(Prediction(event, "m", 1, {"score": score}, score >= 0.5, 0.0), seconds)


class _Clock(beam.DoFn):
    """Stands where the source would: hands the watermark on as it comes past."""

    def process(self, element):
        if isinstance(element, int):
            NOW["watermark"] = element * 1_000_000
        else:
            yield element


def run(stream, config, check_summaries, check_late):
    options = PipelineOptions([])
    options.view_as(StandardOptions).streaming = True
    NOW["watermark"] = None
    with beam.Pipeline("BundleBasedDirectRunner", options=options) as pipeline:
        found = (
            pipeline
            | stream
            | beam.ParDo(_Clock())
            | SummarizeWindows(WindowsConfig(**config), "score", watermark)
        )
        summaries = found["summaries"] | beam.Map(
            lambda w: (w.key, w.start // 10**6, w.events, w.alerts, w.late, w.pane, w.quantiles)
        )
        late = found[TOO_LATE] | beam.Map(lambda p: p.event.id)
        assert_that(summaries, equal_to(check_summaries), label="summaries")
        assert_that(late, equal_to(check_late), label="too late")


def moved(stream, to):
    """The watermark moves: for Beam, and for what marks late events."""
    return stream.add_elements([TimestampedValue(to, to)]).advance_watermark_to(to)


def test_fixed_windows_with_late_and_too_late_events():
    stream = TestStream().add_elements(
        [at(1), at(2, score=0.9), at(3, "db", 0.7), at(59.9, score=0.3), at(61)]
    )
    stream = moved(stream, 60).add_elements([at(30, score=0.5)])
    stream = moved(stream, 95).add_elements([at(31), at(62)])
    stream = moved(stream, 200).advance_watermark_to_infinity()
    run(
        stream,
        {"length_seconds": 60, "allowed_lateness_seconds": 30, "quantiles": [0.5, 1.0]},
        [
            ("web", 0, 3, 1, 0, 0, {"p50": 0.3, "p100": 0.9}),
            ("db", 0, 1, 1, 0, 0, {"p50": 0.7, "p100": 0.7}),
            ("web", 0, 4, 2, 1, 1, {"p50": 0.3, "p100": 0.9}),
            ("web", 60, 2, 0, 0, 0, {"p50": 0.1, "p100": 0.1}),
        ],
        ["web@31"],
    )


def test_sliding_windows_hold_an_event_several_times():
    stream = TestStream().add_elements([at(35), at(65)])
    stream = moved(stream, 300).advance_watermark_to_infinity()
    quantiles = {"p50": 0.1}
    run(
        stream,
        {"length_seconds": 60, "every_seconds": 30, "quantiles": [0.5]},
        [
            ("web", 0, 1, 0, 0, 0, quantiles),
            ("web", 30, 2, 0, 0, 0, quantiles),
            ("web", 60, 1, 0, 0, 0, quantiles),
        ],
        [],
    )


def test_an_event_is_late_in_those_of_its_windows_that_are_over():
    stream = moved(TestStream().add_elements([at(65)]), 65).add_elements([at(35)])
    stream = moved(stream, 300).advance_watermark_to_infinity()
    quantiles = {"p50": 0.1}
    run(
        stream,
        {
            "length_seconds": 60, "every_seconds": 30, "quantiles": [0.5],
            "allowed_lateness_seconds": 30,
        },
        [
            ("web", 0, 1, 0, 1, 0, quantiles),
            ("web", 30, 2, 0, 0, 0, quantiles),
            ("web", 60, 1, 0, 0, 0, quantiles),
        ],
        [],
    )  # fmt: skip


def test_quantiles_of_many_scores():
    stream = TestStream().add_elements([at(i / 100, score=i / 5000) for i in range(5000)])
    stream = moved(stream, 300).advance_watermark_to_infinity()

    options = PipelineOptions([])
    options.view_as(StandardOptions).streaming = True
    NOW["watermark"] = None

    def close(found):
        (summary,) = found
        assert summary.quantiles == pytest.approx({"p50": 0.5, "p90": 0.9, "p99": 0.99}, abs=0.003)
        assert summary.alert_rate == 0.5

    with beam.Pipeline("BundleBasedDirectRunner", options=options) as pipeline:
        config = WindowsConfig(length_seconds=60)
        steps = pipeline | stream | beam.ParDo(_Clock())
        found = steps | SummarizeWindows(config, "score", watermark)
        assert_that(found["summaries"], close)


def test_the_clock_of_the_events():
    hands = {"monotonic": 0.0, "wall": 1_000_000_000}
    clock = EventClock(5, 30, lambda: hands["monotonic"], lambda: hands["wall"])
    assert clock.advance() is None
    clock.observe(100_000_000)
    assert clock.watermark is None
    assert clock.advance() == 95_000_000
    clock.observe(50_000_000)
    assert clock.advance() == 95_000_000
    clock.observe(9_000_000_000_000)  # years ahead of the wall clock
    assert clock.advance() == 995_000_000
    hands.update(monotonic=40.0, wall=1_040_000_000)
    assert clock.advance() == 1_005_000_000


def test_windows_of_a_file_on_the_local_engine(bridge, tmp_path):
    lines = [
        {"t": "bad" if i % 10 == 0 else "fine", "k": f"h{i % 2}", "at": 1_000 + i}
        for i in range(120)
    ]
    (tmp_path / "in").write_text("".join(json.dumps(line) + "\n" for line in lines))
    it = bridge(
        source={"address": f"file:{tmp_path}/in"},
        format={
            "kind": "json", "text": "{t}", "key": "k", "time": {"field": "at", "format": "unix"},
        },
        windows={"length_seconds": 60, "out_of_order_seconds": 0},
        sinks={"windows": {"address": f"jsonl:{tmp_path}/windows", "take": "windows"}},
    )  # fmt: skip
    assert it.run() == 0
    assert "fire only when the source ends" in it.said[0]
    found = [json.loads(line) for line in (tmp_path / "windows").read_text().splitlines()]
    assert sum(each["events"] for each in found) == 120
    assert sum(each["alerts"] for each in found) == 12
    first = min(found, key=lambda each: (each["window_start"], each["key"]))
    assert first["window_start"] == "1970-01-01T00:16:00.000000Z"
    assert (first["key"], first["events"], first["alerts"]) == ("h0", 10, 2)
    assert first["quantiles"] == {"p50": 0.1, "p90": 0.9, "p99": 0.9}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": {"length_seconds": 60}}, "no sink takes windows"),
        (
            {"sinks": {"w": {"address": "jsonl:w", "take": "windows"}}},
            "takes windows, and the key 'windows' is not there",
        ),
        ({"windows": {"length_seconds": 5, "every_seconds": 6}}, "would leave events out"),
        (
            {
                "source": {"address": "tail:x"},
                "windows": {"length_seconds": 60},
                "sinks": {"w": {"address": "jsonl:w", "take": "windows"}},
            },
            "the local engine fires windows only when the source ends, and this one does not",
        ),
    ],
)
def test_windows_that_could_not_work_are_refused(bridge, changes, message):
    with pytest.raises(ValidationError, match=message):
        _ = bridge(**{"source": {"address": "stdin:"}, **changes}).config
