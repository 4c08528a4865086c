"""The source as a splittable DoFn: one bundle is a stretch of lines between two positions.

Beam calls `process` again and again; each call reads for a short time, defers the rest, and the
runner commits the bundle. Only then does the finalizer move the position on disk. Source, scoring
and durable write are fused into one stage, so a bundle's commit means that its results are on
disk: that is what makes the local engine at-least-once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import apache_beam as beam
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.typehints import with_output_types
from apache_beam.utils.timestamp import Timestamp

from stream_bridge.chunks import Chunk
from stream_bridge.records import RawLine
from stream_bridge.runtime import Runtime
from stream_bridge.sources.source import Source
from stream_bridge.state import Position

# How long one bundle waits for a first line; it ends at once when the bridge is told to stop. The
# local engine ignores the delay of a deferred rest, so the wait has to be here; others must not be
# kept from their checkpoints and watermarks.
_IDLE_SECONDS = {"local": 1.0, "prism": 0.05, "flink": 0.05}
# A read that took less did not wait for its first line.
_AT_ONCE_SECONDS = 0.001


@dataclass(frozen=True)
class Stretch:
    """Lines from one position to another; the end is open while it is being read."""

    start: Position | None
    end: Position | None = None
    done: bool = False


class StretchTracker(RestrictionTracker):
    """Tracks how far a stretch was read. Only a checkpoint cuts it, after the last claim."""

    def __init__(self, stretch: Stretch):
        self._stretch = stretch
        self._claimed = stretch.start

    def current_restriction(self) -> Stretch:
        """The stretch of this call."""
        return self._stretch

    def try_claim(self, position: Position | None) -> bool:
        """Claims all up to a position; None says that the source has ended."""
        if self._stretch.done:
            return False
        if position is None:
            self._stretch = replace(self._stretch, end=self._claimed, done=True)
            return False
        self._claimed = position
        return True

    def try_split(self, fraction_of_remainder: float) -> tuple[Stretch, Stretch] | None:
        """Cuts behind the last claim, and only for a checkpoint."""
        if fraction_of_remainder > 0 or self._stretch.done:
            return None
        self._stretch = replace(self._stretch, end=self._claimed, done=True)
        return self._stretch, Stretch(self._claimed)

    def check_done(self) -> bool:
        """Raises ValueError where a stretch was neither ended nor deferred."""
        if not self._stretch.done:
            raise ValueError("the stretch was neither ended nor deferred")
        return True

    def current_progress(self) -> RestrictionProgress:
        """Done, or not."""
        done = float(self._stretch.done)
        return RestrictionProgress(completed=done, remaining=1.0 - done)

    def is_bounded(self) -> bool:
        """No: the position decides when it ends."""
        return False


class _Stretches(RestrictionProvider):
    """Starts at the committed position; `element` is the runtime's name."""

    def initial_restriction(self, element: str) -> Stretch:
        return Stretch(Runtime.find(element).committed_position())

    def create_tracker(self, restriction: Stretch) -> StretchTracker:
        return StretchTracker(restriction)

    def restriction_size(self, element: str, restriction: Stretch) -> int:
        return 1

    def truncate(self, element: str, restriction: Stretch) -> None:
        return None


_WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


@with_output_types(Chunk)
class ReadLines(beam.DoFn):
    """Runtime name to the lines of its source, from the committed position on."""

    @beam.DoFn.unbounded_per_element()
    def process(
        self,
        name,
        # Beam binds these two by place: the finalizer has to come first.
        finalizer=beam.DoFn.BundleFinalizerParam,
        tracker=beam.DoFn.RestrictionParam(_Stretches()),  # noqa: B008 - Beam's way
        watermark=_WATERMARK,
    ):
        """Emits lists of RawLine; defers the rest, or ends the source."""
        runtime = Runtime.find(name)
        start = tracker.current_restriction().start
        reported = watermark.current_watermark()
        source = runtime.source_at(start, None if reported is None else reported.micros)
        lines = 0
        for chunk in read_bundle(runtime, source):
            tracker.try_claim(source.position)
            lines += len(chunk)
            # One element a chunk: what an element costs Beam is half of what an event costs.
            yield chunk
        position = source.position
        tracker.try_claim(position)
        # What was yielded is parsed by now: the steps after this one are of the same stage.
        reached = runtime.clock.advance() if runtime.clock is not None else None
        if reached is not None:
            watermark.set_watermark(Timestamp(micros=reached))
        if runtime.owes(position, lines, moved=position != start):
            finalizer.register(lambda: runtime.commit(position, lines))
        else:
            finalizer.register(_nothing_to_commit)
        if source.done or runtime.stopping:
            tracker.try_claim(None)
        else:
            tracker.defer_remainder()


def _nothing_to_commit() -> None:
    """Runners complain about a bundle that asks for finalization and has none."""


def read_bundle(runtime: Runtime, source: Source) -> Iterator[list[RawLine]]:
    """Chunks of lines until the bundle is old enough to be committed, or the stream pauses."""
    batching, stop_after = runtime.config.batching, runtime.config.stop_after
    lines, begun, oldest = 0, 0.0, 0.0
    while not runtime.stopping:
        limit = batching.sort_events
        if stop_after is not None:
            limit = min(limit, stop_after - runtime.metrics.total_read)
        asked = time.monotonic()
        if lines == 0:
            wait = _IDLE_SECONDS[runtime.config.engine]
        elif lines < batching.max_events:
            wait = max(0.0, oldest + batching.wait_seconds - asked)
        else:
            wait = 0.0
        with runtime.noting_failure():
            chunk = source.read(limit, wait) if limit > 0 else []
        now = time.monotonic()
        if chunk and not lines:
            begun = now
            # A line that was there at once may have come while the last bundle was scored.
            oldest = runtime.looked if now - asked < _AT_ONCE_SECONDS else now
        runtime.looked = now
        if chunk:
            lines += len(chunk)
            runtime.metrics.lines_read(len(chunk))
            yield chunk
        if stop_after is not None and runtime.metrics.total_read >= stop_after:
            runtime.draining.set()
        now = time.monotonic()
        age = now - begun if lines else 0.0
        paused = len(chunk) < limit and (not chunk or now - oldest >= batching.wait_seconds)
        if source.done or paused or age >= batching.commit_seconds:
            return
