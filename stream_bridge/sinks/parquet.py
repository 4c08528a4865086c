"""Parquet parts in a directory, each complete once it is there.

Parquet is only readable once its footer is written, so what is not yet in a part stands in a
journal (an Arrow stream, ``.part-N.arrows``) that is on disk before the position moves. A full or
old journal becomes a part in one rename; one that a crash left behind is taken up again.
"""

from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stream_bridge.config.sinks import ParquetSink
from stream_bridge.errors import SinkError
from stream_bridge.records import Written
from stream_bridge.sinks.tables import Table, table_of
from stream_bridge.state import sync_directory

_TYPES = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "bytes": pa.binary(),
    "json": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
}
_ROWS_OF_A_GROUP = 65_536


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table."""
    return pa.schema(
        [pa.field(c.name, _TYPES[c.kind], nullable=not c.required) for c in table.columns]
    )


def record_batch(schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Rows, their values in the order of the schema, as Arrow columns."""
    columns = [
        pa.array(values, type=field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.record_batch(columns, schema=schema)


class ParquetSinkWriter:
    """Writes parts; at least once, and each event's rows have the same event id."""

    def __init__(self, config: ParquetSink):
        self._config = config
        self._table = table_of(config.take)
        self._schema = arrow_schema(self._table)
        folder = config.path
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = sorted(folder.glob(".part-*.arrows"))
            for journal in left:
                self._finish(journal)
        except BlockingIOError as error:
            raise SinkError(f"sink {folder} is being written by another bridge") from error
        except OSError as error:
            raise SinkError(f"sink {folder}: {error.strerror}") from error
        self._journal: Path | None = None
        self._file: Any = None
        self._size = 0
        self._began = 0.0

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Returns when the outcomes are in the journal, on disk; all of them, or SinkError."""
        try:
            if self._journal is not None and self._due():
                self.close_part()
            if outcomes:
                self._append(self._block(outcomes))
        except OSError as error:
            raise SinkError(f"sink {self._config.path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Finishes the part that is open; where that fails, the next run does it."""
        try:
            self.close_part()
        except OSError:
            pass
        finally:
            os.close(self._lock)

    def close_part(self) -> None:
        """Makes a part of what is in the journal; where that fails, the journal stays."""
        if self._journal is not None:
            self._finish(self._journal)
            self._file.close()
            self._journal = None

    def _due(self) -> bool:
        old = time.monotonic() - self._began >= self._config.roll_seconds
        return old or self._size >= self._config.roll_bytes

    def _block(self, outcomes: Sequence[Written]) -> bytes:
        rows = [self._table.row(outcome) for outcome in outcomes]
        batch = record_batch(self._schema, rows)
        sink = io.BytesIO()
        # Each block is a stream of its own: half of one, after a crash, spoils no other.
        with pa.ipc.new_stream(sink, self._schema) as stream:
            stream.write_batch(batch)
        block = sink.getvalue()
        return len(block).to_bytes(8, "little") + block

    def _append(self, block: bytes) -> None:
        if self._journal is None:
            path = self._config.path / f".part-{time.time_ns()}.arrows"
            self._file = path.open("ab", buffering=0)
            sync_directory(path.parent)
            self._journal, self._size, self._began = path, 0, time.monotonic()
        try:
            done = 0
            while done < len(block):
                done += self._file.write(block[done:])
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(block)

    def _finish(self, journal: Path) -> None:
        """One part of one journal, under a name that depends only on the journal's."""
        final = journal.with_name(f"{journal.stem.removeprefix('.')}.parquet")
        fresh = journal.with_suffix(".parquet.new")
        rows = 0
        with pq.ParquetWriter(fresh, self._schema, compression="zstd") as writer:
            for table in _groups(journal, self._schema):
                writer.write_table(table)
                rows += table.num_rows
        if rows:
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
            fresh.replace(final)
        else:
            fresh.unlink()
        journal.unlink()
        sync_directory(journal.parent)


def _groups(journal: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a journal, as many at a time as make a row group."""
    held: list[pa.RecordBatch] = []
    rows = 0
    with journal.open("rb") as file:
        while len(head := file.read(8)) == 8:
            block = file.read(int.from_bytes(head, "little"))
            if len(block) < int.from_bytes(head, "little"):
                break  # its events were never committed and come again
            for batch in pa.ipc.open_stream(block):
                held.append(batch)
                rows += batch.num_rows
            if rows >= _ROWS_OF_A_GROUP:
                yield pa.Table.from_batches(held, schema)
                held, rows = [], 0
    if held:
        yield pa.Table.from_batches(held, schema)
