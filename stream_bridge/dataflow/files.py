"""JSON lines and Parquet as objects of a bucket, each complete once it is there.

An engine's own state holds what is not yet in an object, so nothing waits on a worker's disk. The
name of an object is a hash of what is in it: a bundle that comes again writes the same one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.transforms.trigger import (
    AccumulationMode,
    AfterAny,
    AfterCount,
    AfterProcessingTime,
    Repeatedly,
)
from apache_beam.transforms.window import GlobalWindows

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.sinks import JsonLinesSink, ParquetSink
from stream_bridge.config.sources import FileSource
from stream_bridge.records import WindowSummary
from stream_bridge.rules import Failures
from stream_bridge.sinks.parquet import arrow_schema, record_batch
from stream_bridge.sinks.routing import Route
from stream_bridge.sinks.tables import table_of

_ROLL_BYTES = 64 << 20
_ROLL_SECONDS = 300.0
# About.
_OUTCOME_BYTES = 512
# So many objects are collected at once.
_SHARDS = 4


class WriteFiles(beam.PTransform):
    """Outcomes (lists of them, or summaries of windows) to objects under one address.

    Args:
      name: the sink's.
      sink: where, and when an object is large or old enough.
      config: the bridge.
    """

    def __init__(self, name: str, sink: JsonLinesSink | ParquetSink, config: BridgeConfig):
        super().__init__()
        self._name, self._sink, self._config = name, sink, config

    def expand(self, outcomes: Any) -> Any:
        """Adds the steps."""
        sink = self._sink
        most = sink.roll_bytes or _ROLL_BYTES
        return (
            outcomes
            | "Take"
            >> beam.ParDo(_Take(self._name, sink, self._config.alert.score)).with_output_types(
                tuple[int, bytes]
            )
            | "In one window" >> self._window(most)
            | "Collect" >> beam.GroupByKey()
            | "Write objects" >> beam.ParDo(_WriteObjects(sink, most))
        )

    def _window(self, most: int) -> beam.WindowInto:
        # One whose end never comes: nothing is too late for it.
        if isinstance(self._config.source, FileSource):
            return beam.WindowInto(GlobalWindows())
        # The engine counts blocks, not their bytes.
        blocks = max(1, most // (self._config.batching.sort_events * _OUTCOME_BYTES))
        age = AfterProcessingTime(math.ceil(self._sink.roll_seconds or _ROLL_SECONDS))
        return beam.WindowInto(
            GlobalWindows(),
            trigger=Repeatedly(AfterAny(AfterCount(blocks), age)),
            accumulation_mode=AccumulationMode.DISCARDING,
        )


class _Take(beam.DoFn):
    """Outcomes to what the sink takes of them: a key, and the bytes that end up in an object."""

    def __init__(self, name, sink, score):
        self._name, self._sink, self._score = name, sink, score

    def setup(self):
        """Compiles the sink's condition."""
        self._route = Route(self._name, self._sink, self._score, Failures())
        self._parquet = isinstance(self._sink, ParquetSink)
        self._table = table_of(self._sink.take)
        self._turn = 0

    def process(self, outcomes):
        """Emits one block of all that is taken."""
        taken = self._route.taken([outcomes] if isinstance(outcomes, WindowSummary) else outcomes)
        if not taken:
            return
        if self._parquet:
            rows = [self._table.row(each) for each in taken]
            batch = record_batch(arrow_schema(self._table), rows)
            block = batch.serialize().to_pybytes()
        else:
            block = b"".join([each.to_json() + b"\n" for each in taken])
        self._turn = (self._turn + 1) % _SHARDS
        yield self._turn, block


class _WriteObjects(beam.DoFn):
    """Blocks to objects of about a size, under names that depend on their content alone."""

    def __init__(self, sink, most):
        self._address = sink.address.partition(":")[2]
        self._table = table_of(sink.take) if isinstance(sink, ParquetSink) else None
        self._most = most

    def process(self, keyed):
        """Emits the paths."""
        blocks, size = [], 0
        # A job that ends has all it wrote in one go here.
        for block in keyed[1]:
            if size and size + len(block) > self._most:
                yield self._write(blocks)
                blocks, size = [], 0
            blocks.append(block)
            size += len(block)
        yield self._write(blocks)

    def _write(self, blocks):
        name = hashlib.blake2b(b"".join(blocks), digest_size=12).hexdigest()
        if self._table is None:
            stem, dot, suffix = self._address.rpartition(".")
            path, data = f"{stem}-{name}{dot}{suffix}", b"".join(blocks)
        else:
            path = FileSystems.join(self._address, f"part-{name}.parquet")
            data = _parquet(self._table, blocks)
        _make_folder(path)
        # An object of a bucket is there when it is closed, whole.
        with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            file.write(data)
        return path


def _parquet(table, blocks):
    schema = arrow_schema(table)
    batches = [pa.ipc.read_record_batch(pa.py_buffer(block), schema) for block in blocks]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_batches(batches, schema), out, compression="zstd")
    return out.getvalue()


def _make_folder(path):
    folder, _ = FileSystems.split(path)
    if not FileSystems.exists(folder):
        with contextlib.suppress(OSError):
            # Another worker was first; buckets have none to make.
            FileSystems.mkdirs(folder)
