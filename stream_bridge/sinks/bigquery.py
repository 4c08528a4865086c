"""A table in BigQuery, through the Storage Write API.

``write: append`` writes to a stream of its own, each request at its offset: one that is tried again
after an answer was lost is known to BigQuery, and stored once. What a restarted bridge reads again
is stored again, with the same event id. ``write: upsert`` goes to the default stream and keeps one
row an event, whoever writes it how often.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing
from typing import Any

import grpc
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient, types
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcTransport,
)
from google.oauth2.service_account import Credentials

from stream_bridge.config.bigquery import BigQuerySink
from stream_bridge.errors import ConfigError, SinkError
from stream_bridge.records import Written
from stream_bridge.sinks.bigquery_tables import Rows, compare, prepare
from stream_bridge.sinks.tables import table_of

# BigQuery takes 10 MB in a request.
_REQUEST_BYTES = 8 << 20
_GONE = (exceptions.NotFound, exceptions.OutOfRange, exceptions.FailedPrecondition)
_FAILED = (exceptions.GoogleAPICallError, exceptions.RetryError, GoogleAuthError, OSError)


class BigQueryWriter:
    """Writes outcomes as rows; goes on behind what was stored."""

    def __init__(self, config: BigQuerySink):
        self._config = config
        self._table = table_of(config.take)
        self._rows = Rows(self._table, upsert=config.write == "upsert")
        self._client: BigQueryWriteClient | None = None
        self._stream: _Stream | None = None
        self._name = ""
        self._offset = 0
        self._batch: Sequence[Written] | None = None
        self._requests: list[list[bytes]] = []

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Returns when BigQuery has stored all of them.

        Raises SinkError when it is away, MismatchError where the table does not fit.
        """
        if outcomes is not self._batch:
            self._batch, self._requests = outcomes, self._cut(outcomes)
        while self._requests:
            try:
                self._append(self._requests[0])
            except _FAILED as error:
                self._close_stream(forget=isinstance(error, _GONE))
                raise SinkError(f"sink {self._config.address}: {_reason(error)}") from error
            del self._requests[0]
        self._batch = None

    def close(self) -> None:
        """Closes the connection; a stream that is left is BigQuery's to clear away."""
        self._close_stream(forget=True)
        if self._client is not None:
            self._client.transport.close()
            self._client = None

    def _cut(self, outcomes: Sequence[Written]) -> list[list[bytes]]:
        upsert = self._config.write == "upsert"
        rows = self._table.latest(list(outcomes)) if upsert else map(self._table.row, outcomes)
        requests: list[list[bytes]] = []
        size = 0
        for row in map(self._rows.serialized, rows):
            if not requests or size + len(row) > _REQUEST_BYTES:
                requests.append([])
                size = 0
            requests[-1].append(row)
            size += len(row)
        return requests

    def _append(self, rows: list[bytes]) -> None:
        if self._client is None:
            self._client = self._connected()
        if not self._name:
            self._name, self._offset = self._new_stream(self._client), 0
        request = types.AppendRowsRequest(
            write_stream=self._name,
            proto_rows=types.AppendRowsRequest.ProtoData(
                rows=types.ProtoRows(serialized_rows=rows)
            ),
        )
        if self._config.write == "append":
            request.offset = self._offset
        if self._stream is None:
            self._stream = _Stream(self._client, self._name, self._config.timeout_seconds)
            schema = types.ProtoSchema(proto_descriptor=self._rows.descriptor)
            request.proto_rows.writer_schema = schema
            request.trace_id = "livebert"
        try:
            _check(self._stream.send(request))
        except exceptions.AlreadyExists:
            # Its answer was lost, the rows were not.
            self._close_stream(forget=False)
        self._offset += len(rows)

    def _connected(self) -> BigQueryWriteClient:
        config = self._config
        credentials = _credentials(config)
        with _tables(config, credentials) as tables:
            prepare(tables, config, self._table)
        if config.emulated:
            channel = grpc.insecure_channel(config.write_endpoint)
        else:
            channel = BigQueryWriteGrpcTransport.create_channel(
                config.write_endpoint, credentials=credentials
            )
        return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))

    def _new_stream(self, client: BigQueryWriteClient) -> str:
        parent = client.table_path(*self._config.names)
        if self._config.write == "upsert":
            return f"{parent}/streams/_default"
        made = client.create_write_stream(
            parent=parent,
            write_stream=types.WriteStream(type_=types.WriteStream.Type.COMMITTED),
            retry=None,
            timeout=self._config.timeout_seconds,
        )
        return made.name

    def _close_stream(self, *, forget: bool) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if forget:
            self._name = ""


class _Stream:
    """An open AppendRows call: one request, one answer."""

    def __init__(self, client: BigQueryWriteClient, name: str, seconds: float):
        self._client, self._seconds = client, seconds
        self._metadata = (("x-goog-request-params", f"write_stream={name}"),)
        self._requests: queue.Queue[types.AppendRowsRequest | None] = queue.Queue()
        self._answers: Any = None

    def send(self, request: types.AppendRowsRequest) -> types.AppendRowsResponse:
        """The answer to a request; raises GoogleAPICallError."""
        self._requests.put(request)
        if self._answers is None:
            # Not by the client's own method: that one waits for the first answer, for ever.
            call = self._client.transport.append_rows
            self._answers = call(self._sent(), metadata=self._metadata)
        # A call that goes on for days has no deadline of its own.
        timer = threading.Timer(self._seconds, self._answers.cancel)
        timer.start()
        try:
            return next(self._answers)
        except StopIteration:
            raise exceptions.Aborted("BigQuery has closed the stream") from None
        except grpc.RpcError as error:
            raise exceptions.from_grpc_error(error) from error
        finally:
            timer.cancel()

    def _sent(self) -> Iterator[types.AppendRowsRequest]:
        while (request := self._requests.get()) is not None:
            yield request

    def close(self) -> None:
        """Ends the call."""
        self._requests.put(None)
        if self._answers is not None:
            self._answers.cancel()


def check_table(name: str, config: BigQuerySink) -> str:
    """What was found, for people; makes nothing.

    Raises SinkError where BigQuery is away, MismatchError where the table does not fit.
    """
    try:
        with _tables(config, _credentials(config)) as tables:
            there = compare(tables, config, table_of(config.take))
    except _FAILED as error:
        raise SinkError(f"sink {name}: {config.address}: {_reason(error)}") from error
    return f"sink {name}: {config.address}: the table {'fits' if there else 'will be made'}"


def _credentials(config: BigQuerySink) -> Any:
    """None leaves it to the client to find those of the machine."""
    if config.emulated:
        return AnonymousCredentials()
    if config.credentials_file is None:
        return None
    try:
        return Credentials.from_service_account_file(str(config.credentials_file))
    except (OSError, ValueError) as error:
        raise ConfigError(f"credentials_file: {config.credentials_file}: {error}") from error


def _tables(config: BigQuerySink, credentials: Any) -> AbstractContextManager[bigquery.Client]:
    return closing(
        bigquery.Client(
            project=config.names[0],
            credentials=credentials,
            client_options={"api_endpoint": config.endpoint},
        )
    )


def _check(answer: types.AppendRowsResponse) -> None:
    if answer.row_errors:
        first = answer.row_errors[0]
        raise exceptions.InvalidArgument(
            f"{len(answer.row_errors)} rows are refused, the first one: {first.message}"
        )
    if answer.error.code:
        raise exceptions.from_grpc_status(
            grpc_code(answer.error.code), answer.error.message or "refused"
        )


def grpc_code(number: int) -> grpc.StatusCode:
    """The status code of a number."""
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def _reason(error: Exception) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return text[:300]
