"""Per-key counts, alert rates and score quantiles by fixed or sliding window of event time.

::

    Prediction ─┬─in time─> window, mark late, combine by key ─> WindowSummary
                └─too late─> Prediction (their windows are gone)

A late event that is still allowed makes its window be written again, whole: a later pane replaces
the earlier one, so a sink that upserts holds one row a window. Quantiles are approximate (rank
error at most 0.1 percent). Windows are a side branch: the predictions themselves never wait for
them, and on engines without checkpoints (local, Prism) what a killed bridge had in open windows
is missing from these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms import trigger, window
from apache_beam.transforms.stats import ApproximateQuantilesCombineFn

from stream_bridge.config.windows import WindowsConfig
from stream_bridge.records import Prediction, WindowSummary

TOO_LATE = "too late"


class Seen(NamedTuple):
    """What a window keeps of one prediction; late where that window was over when it came."""

    score: float | None
    alert: bool
    late: bool


class SummarizeWindows(beam.PTransform):
    """Predictions, at their event times, to one `WindowSummary` per key, window and pane.

    Returns a dict: ``summaries``, and ``too late``: predictions behind the allowed lateness.

    Args:
      config: the windows.
      score: the output that is the score.
      watermark: how far event time has come, microseconds since the epoch, or None.
    """

    def __init__(self, config: WindowsConfig, score: str, watermark: Callable[[], int | None]):
        super().__init__()
        self._config = config
        self._score = score
        self._watermark = watermark

    def expand(self, predictions: Any) -> dict[str, Any]:
        """Adds the steps."""
        config = self._config
        came = predictions | "Came in time" >> beam.ParDo(
            _CameInTime(config, self._score, self._watermark)
        ).with_outputs(TOO_LATE, main="in time")
        summaries = (
            came["in time"]
            | "Window" >> _windowing(config)
            | "Mark late" >> beam.ParDo(_MarkLate()).with_output_types(tuple[str, Seen])
            | "Combine by key" >> beam.CombinePerKey(_Summing(config.quantiles))
            | "Name the window" >> beam.ParDo(_NameWindow())
        )
        return {"summaries": summaries, TOO_LATE: came[TOO_LATE]}


def _windowing(config: WindowsConfig) -> beam.WindowInto:
    length, every = config.length_seconds, config.every_seconds
    windows = window.FixedWindows(length) if every is None else window.SlidingWindows(length, every)
    lateness = config.allowed_lateness_seconds
    # Without lateness there is one pane; Prism knows no trigger beyond that then.
    late = trigger.AfterCount(1) if lateness else None
    return beam.WindowInto(
        windows,
        trigger=trigger.AfterWatermark(late=late),
        accumulation_mode=trigger.AccumulationMode.ACCUMULATING,
        allowed_lateness=round(lateness),
    )


class _CameInTime(beam.DoFn):
    """Predictions to key, score, alert, and the watermark that they came behind or before."""

    def __init__(self, config: WindowsConfig, score: str, watermark: Callable[[], int | None]):
        self._length = round(config.length_seconds * 1_000_000)
        every = config.every_seconds
        self._every = self._length if every is None else round(every * 1_000_000)
        self._lateness = round(config.allowed_lateness_seconds) * 1_000_000
        self._score = score
        self._watermark = watermark

    def start_bundle(self):
        # What the events of this bundle bring makes none of them late.
        self._reported = self._watermark()

    def process(self, outcome):
        if not isinstance(outcome, Prediction):
            return
        at = outcome.event.time
        # The last window that holds it; of sliding ones, the earlier are over before.
        end = at - at % self._every + self._length
        watermark = self._reported
        if watermark is not None and end + self._lateness <= watermark:
            yield beam.pvalue.TaggedOutput(TOO_LATE, outcome)
            return
        value = outcome.outputs.get(self._score)
        score = float(value) if isinstance(value, int | float) else None
        yield outcome.event.key or "", score, outcome.alert, watermark


class _MarkLate(beam.DoFn):
    def process(self, came, where=beam.DoFn.WindowParam):
        key, score, alert, watermark = came
        late = watermark is not None and where.end.micros <= watermark
        yield key, Seen(score, alert, late)


class _Summing(beam.CombineFn):
    """Counts, and a sketch of the scores."""

    def __init__(self, quantiles: tuple[float, ...]):
        super().__init__()
        self._quantiles = quantiles
        self._sketch = ApproximateQuantilesCombineFn.create(num_quantiles=101, epsilon=0.001)

    def create_accumulator(self):
        return 0, 0, 0, 0, self._sketch.create_accumulator()

    def add_input(self, accumulator, seen):
        events, alerts, late, scores, sketch = accumulator
        if seen.score is not None:
            sketch = self._sketch.add_input(sketch, seen.score)
            scores += 1
        return events + 1, alerts + seen.alert, late + seen.late, scores, sketch

    def merge_accumulators(self, accumulators):
        events, alerts, late, scores, sketches = zip(*accumulators, strict=True)
        merged = self._sketch.merge_accumulators(sketches)
        return sum(events), sum(alerts), sum(late), sum(scores), merged

    def extract_output(self, accumulator):
        events, alerts, late, scores, sketch = accumulator
        found = self._sketch.extract_output(sketch) if scores else []
        quantiles = {}
        if found:
            for each in self._quantiles:
                # A window of few scores has fewer than 101 quantiles.
                place = round(each * (len(found) - 1))
                quantiles[f"p{round(each * 100)}"] = found[place]
        return events, alerts, late, quantiles


class _NameWindow(beam.DoFn):
    def process(self, element, where=beam.DoFn.WindowParam, pane=beam.DoFn.PaneInfoParam):
        key, (events, alerts, late, quantiles) = element
        yield WindowSummary(
            key=key,
            start=where.start.micros,
            end=where.end.micros,
            events=events,
            alerts=alerts,
            quantiles=quantiles,
            late=late,
            pane=pane.index,
        )
