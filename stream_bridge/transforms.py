"""The steps of the pipeline as DoFns. They stay in one fused stage, see `stream_bridge.reading`.

A failure is a value: dead letters flow beside the events through the same steps to the sinks.
What flows is lists: an element costs Beam as much as an event costs the bridge.
"""

from __future__ import annotations

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import TimestampedValue
from apache_beam.typehints import with_output_types
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from stream_bridge.chunks import Chunk
from stream_bridge.counters import NAMESPACE, OutcomeCounters
from stream_bridge.parsing.parser import Parser
from stream_bridge.records import Dropped, Event, Prediction, text_of
from stream_bridge.runtime import Runtime


class Step(beam.DoFn):
    """A step that finds what it works with at its place (see `stream_bridge.places`)."""

    def __init__(self, place):
        self._place = place

    def setup(self):
        """Opens the place."""
        self._opened = self._place.open()

    def teardown(self):
        """Closes what only this step used."""
        self._opened.release()


@with_output_types(Chunk)
class ParseLines(Step):
    """Lists of RawLine to lists of Event, DeadLetter, Skipped and Dropped, in order."""

    def setup(self):
        """Compiles the parser."""
        super().setup()
        config = self._opened.config
        self._parse = Parser(config.format, config.limits)
        self._rules = self._opened.rules
        self._clock = self._opened.clock
        self._read = Metrics.counter(NAMESPACE, "read")

    def process(self, raws):
        """Emits one outcome per line, in one list."""
        self._read.inc(len(raws))
        yield [self._outcome(raw) for raw in raws]

    def _outcome(self, raw):
        outcome = self._parse(raw)
        if not isinstance(outcome, Event):
            return outcome
        if self._clock is not None:
            self._clock.observe(outcome.time)
        rule = self._rules.dropping(outcome)
        return outcome if rule is None else Dropped(outcome, rule)


@with_output_types(Chunk)
class ScoreEvents(Step):
    """Lists with Events to lists with Predictions or DeadLetters; the rest passes."""

    def setup(self):
        """Finds the calls in flight."""
        super().setup()
        self._in_flight = self._opened.scoring.in_flight

    def start_bundle(self):
        """A bundle that failed may have left events behind; they come again."""
        self._in_flight.discard()

    def process(self, outcomes, timestamp=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
        """Emits what is scored so far; blocks while enough calls are in flight."""
        self._at = timestamp, (window,)
        events = [outcome for outcome in outcomes if isinstance(outcome, Event)]
        found = [outcome for outcome in outcomes if not isinstance(outcome, Event)]
        with self._opened.noting_failure():
            found += self._in_flight.add(events)
        if found:
            yield found

    def finish_bundle(self):
        """Waits for the open calls."""
        with self._opened.noting_failure():
            found = self._in_flight.flush()
        if found:
            yield WindowedValue(found, *self._at)


class CountLines(Step):
    """Lines that the engine itself has read, for the bridge's own account."""

    def process(self, raws):
        """Counts, and passes them on."""
        self._opened.metrics.lines_read(len(raws))
        yield raws


class AtEventTime(beam.DoFn):
    """Lists of outcomes to predictions, each at its event time."""

    def process(self, outcomes):
        """Emits predictions, one by one."""
        for outcome in outcomes:
            if isinstance(outcome, Prediction):
                yield TimestampedValue(outcome, Timestamp(micros=outcome.event.time))


class WriteOutcomes(Step):
    """Outcomes to the sinks, durable when the bundle ends."""

    def setup(self):
        """Makes the counters."""
        super().setup()
        self._counters = OutcomeCounters()

    def start_bundle(self):
        """Drops what a failed bundle left; it comes again."""
        self._outcomes, self._texts = [], []

    def process(self, outcomes):
        """Collects, with the JSON: calls are open meanwhile. Sinks are written once per bundle."""
        with self._opened.noting_failure():
            self._texts += [text_of(outcome) for outcome in outcomes]
        self._outcomes += outcomes

    def finish_bundle(self):
        """Writes, and waits until it is on disk."""
        counts = self._opened.write(self._outcomes, self._texts)
        self._counters.note(self._outcomes, counts)
        self._outcomes, self._texts = [], []


class WriteWindows(Step):
    """Summaries of windows to the sinks that take them; in a stage of its own."""

    def setup(self):
        """Makes the counter."""
        super().setup()
        self._written = Metrics.counter(NAMESPACE, "windows")

    def start_bundle(self):
        """Drops what a failed bundle left; it comes again."""
        self._summaries = []

    def process(self, summary):
        """Collects; the sinks are written once per bundle."""
        self._summaries.append(summary)

    def finish_bundle(self):
        """Writes, and waits until it is durable."""
        self._opened.write_windows(self._summaries)
        self._written.inc(len(self._summaries))


class CountTooLate(Step):
    """Predictions that came too late for their window: they are written, and counted here."""

    def setup(self):
        """Makes the counter."""
        super().setup()
        self._too_late = Metrics.counter(NAMESPACE, "too_late")

    def process(self, prediction):
        """Counts."""
        self._opened.came_too_late()
        self._too_late.inc()


class NoteEnd(beam.DoFn):
    """The runtime's name, when no step before has anything left: this runtime has ended."""

    def process(self, named):
        """Says so."""
        Runtime.find(named[0]).ended.set()


def reported_watermark(name):
    """The watermark that the source of a runtime last reported; None before the first event."""
    clock = Runtime.find(name).clock
    return clock.watermark if clock is not None else None
