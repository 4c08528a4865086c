"""A BigQuery of this process: the tables of its REST API and its gRPC BigQueryWrite, both served.

The messages are those of the official clients. Rows are decoded by the schema that the writer
sends, and what real BigQuery refuses is refused: offsets that do not fit, rows without a required
column, columns that the table has not.
"""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.cloud.bigquery_storage_v1 import types
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TABLE = re.compile(r"/bigquery/v2/projects/([^/]+)/datasets/([^/]+)/tables(?:/([^/?]+))?")
_SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"


class FakeBigQuery:
    """A context manager; `sink` is what a config needs to reach it.

    Attributes:
      tables: name to what the REST API was given.
      rows: name to its rows, as dicts, in the order they were stored.
      failures: status codes that the next requests to write end with.
      lose: so many answers are lost after the rows were stored.
    """

    def __init__(self, port=0):
        self.tables, self.rows = {}, {}
        self.datasets = {"d"}
        self.failures: list[grpc.StatusCode] = []
        self.lose = 0
        self.streams: dict[str, int] = {}
        self._lock = threading.Lock()
        self._port = port

    def __enter__(self):
        self._rest = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._rest.daemon_threads = True
        threading.Thread(target=self._rest.serve_forever, args=(0.02,), daemon=True).start()
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()
        self._rest.shutdown()
        self._rest.server_close()

    def start(self):
        """The gRPC side comes (back)."""
        self._grpc = grpc.server(ThreadPoolExecutor(8))
        handlers = {
            "AppendRows": grpc.stream_stream_rpc_method_handler(
                self._append_rows,
                types.AppendRowsRequest.deserialize,
                types.AppendRowsResponse.serialize,
            ),
            "CreateWriteStream": grpc.unary_unary_rpc_method_handler(
                self._create,
                types.CreateWriteStreamRequest.deserialize,
                types.WriteStream.serialize,
            ),
        }
        self._grpc.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(_SERVICE, handlers)]
        )
        self._port = self._grpc.add_insecure_port(f"127.0.0.1:{self._port}")
        assert self._port
        self._grpc.start()

    def stop(self):
        """The gRPC side goes away."""
        self._grpc.stop(None).wait()

    @property
    def sink(self):
        return {
            "address": "bigquery://p/d/t",
            "endpoint": f"http://127.0.0.1:{self._rest.server_address[1]}",
            "write_endpoint": f"127.0.0.1:{self._port}",
        }

    def _create(self, request, context):
        assert request.write_stream.type_ == types.WriteStream.Type.COMMITTED
        with self._lock:
            name = f"{request.parent}/streams/s{len(self.streams)}"
            self.streams[name] = 0
        return types.WriteStream(name=name)

    def _append_rows(self, requests, context):
        decode = None
        for request in requests:
            if request.proto_rows.writer_schema.proto_descriptor.field:
                decode = _decoder(request.proto_rows.writer_schema.proto_descriptor)
                first = request.write_stream
            with self._lock:
                if self.failures:
                    context.abort(self.failures.pop(0), "as the test wants it")
                answer = self._store(first, request, decode, context)
                if self.lose:
                    self.lose -= 1
                    context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
            yield answer

    def _store(self, stream, request, decode, context):
        path, _, kind = stream.partition("/streams/")
        table = ".".join(path.split("/")[1::2])
        rows = [decode(data) for data in request.proto_rows.rows.serialized_rows]
        problem = self._problem(table, rows)
        if problem:
            error = types.RowError(index=0, message=problem)
            return types.AppendRowsResponse(row_errors=[error])
        have = self.rows.setdefault(table, [])
        if kind == "_default":
            key = self.tables[table]["tableConstraints"]["primaryKey"]["columns"]
            for row in rows:
                assert row.pop("_CHANGE_TYPE") == "UPSERT"
                have[:] = [old for old in have if any(old[k] != row[k] for k in key)]
                have.append(row)
            return types.AppendRowsResponse(append_result={})
        offset, at = request._pb.offset.value, self.streams[stream]
        if offset < at:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"offset {offset}, at {at}")
        if offset > at:
            context.abort(grpc.StatusCode.OUT_OF_RANGE, f"offset {offset}, at {at}")
        have += rows
        self.streams[stream] = at + len(rows)
        return types.AppendRowsResponse(append_result={"offset": at})

    def _problem(self, table, rows):
        fields = {f["name"]: f for f in self.tables[table]["schema"]["fields"]}
        for row in rows:
            unknown = set(row) - set(fields) - {"_CHANGE_TYPE"}
            if unknown:
                return f"no column {unknown}"
            for name, field in fields.items():
                if field["mode"] == "REQUIRED" and name not in row:
                    return f"column {name} is required"
                if field["type"] == "JSON" and name in row:
                    json.loads(row[name])
        return None

    def _handler(outer):  # noqa: N805 - the handler's own self is another
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                name = ".".join(_TABLE.match(self.path).groups())
                found = outer.tables.get(name)
                self._answer(200, found) if found else self._answer(404, None)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                project, dataset, _ = _TABLE.match(self.path).groups()
                name = f"{project}.{dataset}.{body['tableReference']['tableId']}"
                if dataset not in outer.datasets:
                    self._answer(404, None)
                elif name in outer.tables:
                    self._answer(409, None)
                else:
                    outer.tables[name] = body
                    self._answer(200, body)

            def _answer(self, status, body):
                error = {"error": {"code": status, "message": "no", "errors": [{"reason": "no"}]}}
                data = json.dumps(body if status == 200 else error).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        return Handler


def _decoder(descriptor):
    file = descriptor_pb2.FileDescriptorProto(name="w.proto", package="w")
    file.message_type.add().CopyFrom(
        types.ProtoSchema.pb(types.ProtoSchema(proto_descriptor=descriptor)).proto_descriptor
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    make = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"w.{descriptor.name}"))

    def decode(data):
        message = make.FromString(data)
        lists = [field.name for field in message.DESCRIPTOR.fields if field.is_repeated]
        there = {field.name: value for field, value in message.ListFields()}
        return {**there, **{name: list(getattr(message, name)) for name in lists}}

    return decode
