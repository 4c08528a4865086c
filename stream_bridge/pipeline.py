"""The pipeline: source, parse, score, write."""

from __future__ import annotations

import apache_beam as beam

from stream_bridge.reading import ReadLines
from stream_bridge.transforms import ParseLines, ScoreEvents, WriteOutcomes


def build(pipeline: beam.Pipeline, name: str) -> None:
    """Adds the bridge's steps to a pipeline.

    Args:
      pipeline: where to.
      name: of the runtime that the steps belong to.
    """
    (
        pipeline
        | "Start" >> beam.Create([name], reshuffle=False)
        | "Read lines" >> beam.ParDo(ReadLines())
        | "Parse lines" >> beam.ParDo(ParseLines(name))
        | "Score events" >> beam.ParDo(ScoreEvents(name))
        | "Write outcomes" >> beam.ParDo(WriteOutcomes(name))
    )
