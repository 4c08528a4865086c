"""The pipeline: source, parse, score, write."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.transforms.trigger import AccumulationMode, AfterWatermark

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.sinks import written_as_files
from stream_bridge.config.windows import WindowsConfig
from stream_bridge.places import Here, Worker
from stream_bridge.reading import ReadLines
from stream_bridge.runtime import Runtime
from stream_bridge.transforms import (
    AtEventTime,
    CountLines,
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
    """Adds the bridge's steps to a pipeline whose steps run in this process.

    Args:
      pipeline: where to.
      name: of the runtime that the steps belong to.
    """
    config, place = Runtime.find(name).config, Here(name)
    start = pipeline | "Start" >> beam.Create([name], reshuffle=False)
    if config.java_reads:
        from stream_bridge.dataflow.reading import ReadKafkaByJava

        read = ReadKafkaByJava(config.source, config, config.flink.expansion_service)
        lines = pipeline | "Read lines" >> read | "Count lines" >> beam.ParDo(CountLines(place))
    else:
        lines = start | "Read lines" >> beam.ParDo(ReadLines())
    outcomes = _score(lines, place)
    written = outcomes | "Write outcomes" >> beam.ParDo(WriteOutcomes(place))
    if config.windows is not None:
        summaries = _summarize(
            outcomes, config, config.windows, place, partial(reported_watermark, name)
        )
        written = summaries | "Write windows" >> beam.ParDo(WriteWindows(place))
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


def build_for_workers(pipeline: beam.Pipeline, config: BridgeConfig) -> None:
    """Adds the bridge's steps to a pipeline whose steps run on other machines.

    The engine keeps the positions, and its watermark is the source's own: event time is behind it
    by as much as events are out of order, so that much is added to the allowed lateness.
    """
    from stream_bridge.dataflow.files import WriteFiles
    from stream_bridge.dataflow.reading import read_on_workers

    place = Worker(config)
    lines = pipeline | "Read lines" >> read_on_workers(config)
    outcomes = _score(lines, place)
    _ = outcomes | "Write outcomes" >> beam.ParDo(WriteOutcomes(place))
    takes = {"outcomes": outcomes}
    if config.windows is not None:
        windows = config.windows
        lateness = windows.allowed_lateness_seconds + windows.out_of_order_seconds
        windows = windows.model_copy(update={"allowed_lateness_seconds": lateness})
        takes["windows"] = _summarize(outcomes, config, windows, place, _unknown)
        _ = takes["windows"] | "Write windows" >> beam.ParDo(WriteWindows(place))
    for name, sink in config.sinks.items():
        if written_as_files(sink):
            taken = takes["windows" if sink.take == "windows" else "outcomes"]
            _ = taken | f"Write sink {name}" >> WriteFiles(name, sink, config)


def _score(lines: Any, place: Here | Worker) -> Any:
    return (
        lines
        | "Parse lines" >> beam.ParDo(ParseLines(place))
        | "Score events" >> beam.ParDo(ScoreEvents(place))
    )


def _summarize(
    outcomes: Any,
    config: BridgeConfig,
    windows: WindowsConfig,
    place: Here | Worker,
    watermark: Callable[[], int | None],
) -> Any:
    predictions = outcomes | "At event time" >> beam.ParDo(AtEventTime())
    found = predictions | "Windows" >> SummarizeWindows(windows, config.alert.score, watermark)
    _ = found[TOO_LATE] | "Count too late" >> beam.ParDo(CountTooLate(place))
    return found["summaries"]


def _unknown() -> None:
    """Only the engine knows its watermark; what is too late it drops, and counts, itself."""


def _in_one_window() -> beam.WindowInto:
    return beam.WindowInto(
        beam.window.GlobalWindows(),
        trigger=AfterWatermark(),
        accumulation_mode=AccumulationMode.DISCARDING,
    )


def _named(name: str) -> tuple[str, None]:
    return name, None
