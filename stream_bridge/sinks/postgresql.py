"""A table in PostgreSQL, upserted: an event that comes again replaces its own row.

Each batch is one transaction: COPY into a temporary table, then one upsert. The table is made on
first use; one that is there is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
from psycopg import sql

from stream_bridge.config.sinks import PostgresSink
from stream_bridge.errors import MismatchError, SinkError
from stream_bridge.records import Written
from stream_bridge.sinks.tables import Column, table_of

_TYPES = {
    "text": "text",
    "texts": "text[]",
    "int": "bigint",
    "float": "double precision",
    "bool": "boolean",
    "bytes": "bytea",
    "json": "jsonb",
    "time": "timestamptz",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# As PostgreSQL's catalogue spells them.
_CATALOGUE = {"text[]": "text[]", "timestamptz": "timestamp with time zone"}


def check_table(name: str, config: PostgresSink) -> str:
    """What was found, for people; raises SinkError, or MismatchError where a table does not fit."""
    try:
        there = PostgresWriter(config).look()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise SinkError(f"sink {name}: {reason}") from error
    return f"sink {name}: table {config.table} {'fits' if there else 'will be made'}"


class PostgresWriter:
    """Upserts outcomes by event id (dead letters: position; windows: key and window)."""

    def __init__(self, config: PostgresSink):
        self._config = config
        self._table = table_of(config.take)
        self._name = sql.Identifier(*config.table.split("."))
        self._connection: psycopg.Connection[Any] | None = None

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Returns when the transaction is committed.

        Raises SinkError when the database is away, MismatchError where the table does not fit.
        """
        if not outcomes:
            return
        rows = self._table.latest(list(outcomes))
        try:
            connection = self._connected()
            with connection.transaction(), connection.cursor() as cursor:
                with cursor.copy(self._copy_statement()) as copy:
                    for row in rows:
                        copy.write_row(
                            [_value(c, v) for c, v in zip(self._table.columns, row, strict=True)]
                        )
                cursor.execute(self._upsert_statement())
        except psycopg.Error as error:
            self.close()
            reason = str(error).strip().splitlines()[0]
            raise SinkError(f"sink {self._shown}: {reason}") from error

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _shown(self) -> str:
        # The address may hold a password.
        return f"postgresql table {self._config.table}"

    def look(self) -> bool:
        """Whether the table is there; raises psycopg.Error, MismatchError where it does not fit."""
        with self._connect() as connection:
            name = self._name.as_string(connection)
            found = connection.execute("SELECT to_regclass(%s)", [name]).fetchone()
            there = found is not None and found[0] is not None
            if there:
                self._check(connection)
        return there

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._config.address,
            autocommit=True,
            connect_timeout=self._config.connect_seconds,
            application_name="stream-bridge",
        )

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            connection = self._connect()
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        columns = self._table.columns
        connection.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({}))").format(
                self._name,
                sql.SQL(", ").join(
                    sql.SQL("{} {}{}").format(
                        sql.Identifier(column.name),
                        sql.SQL(_TYPES[column.kind]),
                        sql.SQL(" NOT NULL" if column.required else ""),
                    )
                    for column in columns
                ),
                sql.SQL(", ").join(map(sql.Identifier, self._table.key)),
            )
        )
        self._check(connection)
        connection.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE arriving ON COMMIT DELETE ROWS AS SELECT {} FROM {} LIMIT 0"
            ).format(self._names(), self._name)
        )

    def _check(self, connection: psycopg.Connection[Any]) -> None:
        have = dict(
            connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [self._name.as_string(connection)],
            ).fetchall()
        )
        for column in self._table.columns:
            wanted = _CATALOGUE.get(_TYPES[column.kind], _TYPES[column.kind])
            if have.get(column.name) != wanted:
                raise MismatchError(
                    f"sink {self._shown}: column {column.name} is "
                    f"{have.get(column.name) or 'missing'}, {wanted} is needed; "
                    "alter the table, or name another one"
                )

    def _names(self) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(c.name) for c in self._table.columns)

    def _copy_statement(self) -> sql.Composed:
        return sql.SQL("COPY arriving ({}) FROM STDIN").format(self._names())

    def _upsert_statement(self) -> sql.Composed:
        return sql.SQL(
            "INSERT INTO {} ({}) SELECT {} FROM arriving ON CONFLICT ({}) DO UPDATE SET {}"
        ).format(
            self._name,
            self._names(),
            self._names(),
            sql.SQL(", ").join(map(sql.Identifier, self._table.key)),
            sql.SQL(", ").join(
                sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column.name))
                for column in self._table.columns
            ),
        )


def _value(column: Column, value: Any) -> Any:
    """A value as PostgreSQL can hold it: its text knows no NUL, its JSON no escaped one."""
    if column.kind == "time":
        return _EPOCH + timedelta(microseconds=value)
    if column.kind == "json" and value is not None:
        return value.replace("\\u0000", "\\ufffd")
    if column.kind == "text" and value is not None:
        return value.replace("\0", "\ufffd")
    if column.kind == "texts":
        return [each.replace("\0", "\ufffd") for each in value]
    return value
