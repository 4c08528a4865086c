"""The pipeline: source, parse, score, write."""

from __future__ import annotations

from functools import partial

import apache_beam as beam

from stream_bridge.reading import ReadLines
from stream_bridge.runtime import Runtime
from stream_bridge.transforms import (
    CountTooLate,
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
    outcomes = (
        pipeline
        | "Start" >> beam.Create([name], reshuffle=False)
        | "Read lines" >> beam.ParDo(ReadLines())
        | "Parse lines" >> beam.ParDo(ParseLines(name))
        | "Score events" >> beam.ParDo(ScoreEvents(name))
    )
    _ = outcomes | "Write outcomes" >> beam.ParDo(WriteOutcomes(name))
    config = Runtime.find(name).config
    if config.windows is not None:
        found = outcomes | "Windows" >> SummarizeWindows(
            config.windows, config.alert.score, partial(reported_watermark, name)
        )
        _ = found["summaries"] | "Write windows" >> beam.ParDo(WriteWindows(name))
        _ = found[TOO_LATE] | "Count too late" >> beam.ParDo(CountTooLate(name))
