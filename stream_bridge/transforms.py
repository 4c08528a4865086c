"""The steps of the pipeline as DoFns. They stay in one fused stage, see `stream_bridge.reading`.

A failure is a value: dead letters flow beside the events through the same steps to the sinks.
What flows is lists: an element costs Beam as much as an event costs the bridge.
"""

from __future__ import annotations

import apache_beam as beam
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from stream_bridge.parsing.parser import Parser
from stream_bridge.records import Dropped, Event, Prediction
from stream_bridge.runtime import Runtime


class ParseLines(beam.DoFn):
    """Lists of RawLine to lists of Event, DeadLetter, Skipped and Dropped, in order."""

    def __init__(self, name):
        self._name = name

    def setup(self):
        """Compiles the parser."""
        runtime = Runtime.find(self._name)
        self._parse = Parser(runtime.config.format, runtime.config.limits)
        self._rules = runtime.rules
        self._clock = runtime.clock

    def process(self, raws):
        """Emits one outcome per line, in one list."""
        yield [self._outcome(raw) for raw in raws]

    def _outcome(self, raw):
        outcome = self._parse(raw)
        if not isinstance(outcome, Event):
            return outcome
        if self._clock is not None:
            self._clock.observe(outcome.time)
        rule = self._rules.dropping(outcome)
        return outcome if rule is None else Dropped(outcome, rule)


class ScoreEvents(beam.DoFn):
    """Lists with Events to lists with Predictions or DeadLetters; the rest passes."""

    def __init__(self, name):
        self._name = name

    def setup(self):
        """Finds the calls in flight."""
        self._runtime = Runtime.find(self._name)
        self._in_flight = self._runtime.in_flight

    def start_bundle(self):
        """A bundle that failed may have left events behind; they come again."""
        self._in_flight.discard()

    def process(self, outcomes, timestamp=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
        """Emits what is scored so far; blocks while enough calls are in flight."""
        self._place = timestamp, (window,)
        found = []
        with self._runtime.noting_failure():
            for outcome in outcomes:
                if isinstance(outcome, Event):
                    found += self._in_flight.add(outcome)
                else:
                    found.append(outcome)
        if found:
            yield found

    def finish_bundle(self):
        """Waits for the open calls."""
        with self._runtime.noting_failure():
            found = self._in_flight.flush()
        if found:
            yield WindowedValue(found, *self._place)


class AtEventTime(beam.DoFn):
    """Lists of outcomes to predictions, each at its event time."""

    def process(self, outcomes):
        """Emits predictions, one by one."""
        for outcome in outcomes:
            if isinstance(outcome, Prediction):
                yield TimestampedValue(outcome, Timestamp(micros=outcome.event.time))


class WriteOutcomes(beam.DoFn):
    """Outcomes to the sinks, durable when the bundle ends."""

    def __init__(self, name):
        self._name = name

    def setup(self):
        """Finds the runtime."""
        self._runtime = Runtime.find(self._name)
        self._outcomes = []

    def start_bundle(self):
        """Drops what a failed bundle left; it comes again."""
        self._outcomes = []

    def process(self, outcomes):
        """Collects; the sinks are written once per bundle."""
        self._outcomes += outcomes

    def finish_bundle(self):
        """Writes, and waits until it is on disk."""
        self._runtime.write(self._outcomes)
        self._outcomes = []


class WriteWindows(beam.DoFn):
    """Summaries of windows to the sinks that take them; in a stage of its own."""

    def __init__(self, name):
        self._name = name

    def setup(self):
        """Finds the runtime."""
        self._runtime = Runtime.find(self._name)

    def start_bundle(self):
        """Drops what a failed bundle left; it comes again."""
        self._summaries = []

    def process(self, summary):
        """Collects; the sinks are written once per bundle."""
        self._summaries.append(summary)

    def finish_bundle(self):
        """Writes, and waits until it is durable."""
        with self._runtime.noting_failure():
            self._runtime.sinks.write_windows(self._summaries)
        self._runtime.metrics.windows_written(len(self._summaries))


class CountTooLate(beam.DoFn):
    """Predictions that came too late for their window: they are written, and counted here."""

    def __init__(self, name):
        self._name = name

    def setup(self):
        """Finds the runtime."""
        self._runtime = Runtime.find(self._name)

    def process(self, prediction):
        """Counts."""
        self._runtime.metrics.came_too_late()


class NoteEnd(beam.DoFn):
    """The runtime's name, when no step before has anything left: this runtime has ended."""

    def process(self, named):
        """Says so."""
        Runtime.find(named[0]).ended.set()


def reported_watermark(name):
    """The watermark that the source of a runtime last reported; None before the first event."""
    clock = Runtime.find(name).clock
    return clock.watermark if clock is not None else None
