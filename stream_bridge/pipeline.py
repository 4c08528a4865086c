"""The pipeline: source, parse, score, write."""

from __future__ import annotations

from functools import partial

import apache_beam as beam
from apache_beam.transforms.trigger import AccumulationMode, AfterWatermark

from stream_bridge.places import Here
from stream_bridge.reading import ReadLines
from stream_bridge.runtime import Runtime
from stream_bridge.transforms import (
    AtEventTime,
    CountTooLate,
    NoteEnd,
    ParseLines,
    ScoreEvents,
    WriteOutcomes,
    WriteWindows,
    reported_watermark,
)
from stream_bridge.windows import TOO_LATE, SummarizeWindows


def build(pipeline: beam.Pipeline, name: str) -> None:
    """Adds the bridge's steps to a pipeline.

    Args:
      pipeline: where to.
      name: of the runtime that the steps belong to.
    """
    place, config = Here(name), Runtime.find(name).config
    start = pipeline | "Start" >> beam.Create([name], reshuffle=False)
    outcomes = (
        start
        | "Read lines" >> beam.ParDo(ReadLines())
        | "Parse lines" >> beam.ParDo(ParseLines(place))
        | "Score events" >> beam.ParDo(ScoreEvents(place))
    )
    written = outcomes | "Write outcomes" >> beam.ParDo(WriteOutcomes(place))
    if config.windows is not None:
        predictions = outcomes | "At event time" >> beam.ParDo(AtEventTime())
        found = predictions | "Windows" >> SummarizeWindows(
            config.windows, config.alert.score, partial(reported_watermark, name)
        )
        written = found["summaries"] | "Write windows" >> beam.ParDo(WriteWindows(place))
        _ = found[TOO_LATE] | "Count too late" >> beam.ParDo(CountTooLate(place))
    if config.engine == "flink":
        # Its job goes on when the source has ended: an empty step behind all others says when.
        _ = (
            (
                start | "A first" >> _in_one_window(),
                written | "Nothing more" >> _in_one_window(),
            )
            | "A first and nothing more" >> beam.Flatten()
            | "Named" >> beam.Map(_named).with_output_types(tuple[str, None])
            | "When all has passed" >> beam.GroupByKey()
            | "Note the end" >> beam.ParDo(NoteEnd())
        )


def _in_one_window() -> beam.WindowInto:
    return beam.WindowInto(
        beam.window.GlobalWindows(),
        trigger=AfterWatermark(),
        accumulation_mode=AccumulationMode.DISCARDING,
    )


def _named(name: str) -> tuple[str, None]:
    return name, None
