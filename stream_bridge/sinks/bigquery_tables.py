"""The sink's table in BigQuery: made on first use, compared later; and its rows as messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery.table import PrimaryKey, TableConstraints
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from stream_bridge.config.bigquery import BigQuerySink
from stream_bridge.errors import MismatchError
from stream_bridge.sinks.tables import Table

_TYPES = {
    "text": "STRING",
    "texts": "STRING",
    "int": "INTEGER",
    "float": "FLOAT",
    "bool": "BOOLEAN",
    "bytes": "BYTES",
    "json": "JSON",
    "time": "TIMESTAMP",
}
_Field = descriptor_pb2.FieldDescriptorProto
# A timestamp goes as microseconds since the epoch, JSON as its text.
_MESSAGE_TYPES = {
    "text": _Field.TYPE_STRING,
    "texts": _Field.TYPE_STRING,
    "int": _Field.TYPE_INT64,
    "float": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "json": _Field.TYPE_STRING,
    "time": _Field.TYPE_INT64,
}
_CHANGE = "_CHANGE_TYPE"


class Rows:
    """Outcomes' rows as serialized messages.

    Attributes:
      descriptor: what a message looks like; the first request on a stream carries it.
    """

    def __init__(self, table: Table, *, upsert: bool):
        self._names = [column.name for column in table.columns]
        self._lists = {column.name for column in table.columns if column.kind == "texts"}
        self._upsert = upsert
        self.descriptor = descriptor_pb2.DescriptorProto(name="Row")
        for column in table.columns:
            repeated, required = _Field.LABEL_REPEATED, _Field.LABEL_REQUIRED
            label = required if column.required else _Field.LABEL_OPTIONAL
            self._add(
                column.name,
                _MESSAGE_TYPES[column.kind],
                repeated if column.kind == "texts" else label,
            )
        if upsert:
            self._add(_CHANGE, _Field.TYPE_STRING, _Field.LABEL_OPTIONAL)
        file = descriptor_pb2.FileDescriptorProto(
            name="row.proto", package="livebert", message_type=[self.descriptor]
        )
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        self._make = message_factory.GetMessageClass(pool.FindMessageTypeByName("livebert.Row"))

    def _add(self, name: str, kind: int, label: int) -> None:
        number = len(self.descriptor.field) + 1
        self.descriptor.field.add(name=name, number=number, type=kind, label=label)

    def serialized(self, row: Sequence[Any]) -> bytes:
        """One row, its values in the order of the table's columns."""
        values = {n: v for n, v in zip(self._names, row, strict=True) if v is not None}
        if self._upsert:
            values[_CHANGE] = "UPSERT"
        return self._make(**values).SerializeToString()


def prepare(client: bigquery.Client, config: BigQuerySink, table: Table) -> None:
    """Makes the table, or checks the one that is there.

    Raises MismatchError where it does not fit, what the client raises where it is away.
    """
    if compare(client, config, table):
        return
    wanted = _wanted(".".join(config.names), config, table)
    try:
        client.create_table(wanted, retry=None, timeout=config.timeout_seconds)
    except exceptions.NotFound as error:
        project, dataset, _ = config.names
        raise MismatchError(
            f"sink {config.address}: there is no dataset {dataset} in {project}; make it with "
            f"bq mk --dataset {project}:{dataset}, or correct the address"
        ) from error
    except exceptions.Conflict:
        # Another worker has made it meanwhile.
        compare(client, config, table)


def compare(client: bigquery.Client, config: BigQuerySink, table: Table) -> bool:
    """Whether the table is there, and fits; raises as `prepare`."""
    name = ".".join(config.names)
    try:
        have = client.get_table(name, retry=None, timeout=config.timeout_seconds)
    except exceptions.NotFound:
        return False
    _compare(config, table, have)
    return True


def _wanted(name: str, config: BigQuerySink, table: Table) -> bigquery.Table:
    wanted = bigquery.Table(name, schema=[_field(column) for column in table.columns])
    if config.write == "upsert":
        wanted.table_constraints = TableConstraints(PrimaryKey(list(table.key)), None)
        wanted.clustering_fields = list(table.key)
    if config.partition_by is not None:
        times = [column.name for column in table.columns if column.kind == "time"]
        if config.partition_by not in times:
            raise MismatchError(
                f"sink {config.address}: partition_by: {config.partition_by} is no column of "
                f"times; there are {', '.join(times)}"
            )
        wanted.time_partitioning = bigquery.TimePartitioning(field=config.partition_by)
    return wanted


def _field(column: Any) -> bigquery.SchemaField:
    mode = "REQUIRED" if column.required else "NULLABLE"
    mode = "REPEATED" if column.kind == "texts" else mode
    return bigquery.SchemaField(column.name, _TYPES[column.kind], mode=mode)


def _compare(config: BigQuerySink, table: Table, have: bigquery.Table) -> None:
    fields = {field.name: field for field in have.schema}
    for column in table.columns:
        wanted, found = _field(column), fields.pop(column.name, None)
        if found is None or found.field_type not in _SAME.get(wanted.field_type, ()):
            is_there = "missing" if found is None else found.field_type
            raise MismatchError(
                f"sink {config.address}: column {column.name} is {is_there}, {wanted.field_type} "
                "is needed; alter the table, or name another one"
            )
        if (found.mode == "REPEATED") != (wanted.mode == "REPEATED"):
            raise MismatchError(
                f"sink {config.address}: column {column.name} is {found.mode}, {wanted.mode} is "
                "needed; alter the table, or name another one"
            )
        if found.mode == "REQUIRED" and wanted.mode == "NULLABLE":
            raise MismatchError(
                f"sink {config.address}: column {column.name} may be null and is REQUIRED; "
                "alter the table, or name another one"
            )
    for field in fields.values():
        if field.mode == "REQUIRED":
            raise MismatchError(
                f"sink {config.address}: column {field.name} is REQUIRED, and not written; "
                "alter the table, or name another one"
            )
    if config.write == "upsert":
        key = have.table_constraints and have.table_constraints.primary_key
        if not key or set(key.columns) != set(table.key):
            raise MismatchError(
                f"sink {config.address}: write: upsert needs the primary key "
                f"({', '.join(table.key)}) NOT ENFORCED; add it, or write: append"
            )


# A type has an old name and a new one.
_SAME = {
    "STRING": ("STRING",),
    "INTEGER": ("INTEGER", "INT64"),
    "FLOAT": ("FLOAT", "FLOAT64"),
    "BOOLEAN": ("BOOLEAN", "BOOL"),
    "BYTES": ("BYTES",),
    "JSON": ("JSON",),
    "TIMESTAMP": ("TIMESTAMP",),
}
