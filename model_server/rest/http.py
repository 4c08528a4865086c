"""HTTP/1.1 from bytes: every wait and every size has a bound.

A request must arrive whole within `REQUEST_SECONDS`, whatever the pace of its bytes, so that slow
senders cannot hold the server's threads; when all connections are taken, the one that has waited
for its request the longest makes room.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus

from model_server.errors import StartError

log = logging.getLogger(__name__)

REQUEST_SECONDS = 30.0
IDLE_SECONDS = 75.0
MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 256 << 20
MAX_CONNECTIONS = 1024


@dataclass(frozen=True)
class Request:
    """One request; header names are lower case, `body` is unpacked."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """One answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class BadRequestError(Exception):
    """The bytes are not HTTP, or more than is taken; `status` answers them."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HttpServer:
    """Listens from `start` to `stop`; `answer` runs in one of `threads` threads."""

    def __init__(
        self, listener: socket.socket, threads: int, answer: Callable[[Request], Response]
    ) -> None:
        self._listener = listener
        self._answer = answer
        # Connections wait for their next request in a thread each, requests for one of these.
        self._workers = ThreadPoolExecutor(max(threads, 1), "rest")
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        # Connections that wait for a request or its rest, the longest first.
        self._reading: dict[socket.socket, None] = {}
        self._busy = 0
        self._changed = threading.Condition()
        self._stopping = False

    def start(self) -> None:
        """Answer requests."""
        threading.Thread(target=self._accept, name="rest accept", daemon=True).start()

    def stop(self, grace_seconds: float) -> None:
        """Accept nothing new and wait for running requests, at most that long."""
        self._stopping = True
        self._listener.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, grace_seconds)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._stopping:
                    return
                time.sleep(0.05)  # out of file descriptors: let some close
                continue
            if not self._connections.acquire(blocking=False):
                self._drop_longest_reading()
                if not self._connections.acquire(timeout=1):
                    connection.close()
                    continue
            threading.Thread(
                target=self._serve, args=(connection,), name="rest connection", daemon=True
            ).start()

    def _drop_longest_reading(self) -> None:
        """Make room: who has kept a connection waiting the longest loses it."""
        with self._changed:
            longest = next(iter(self._reading), None)
            if longest is not None:
                del self._reading[longest]
                with contextlib.suppress(OSError):  # the other side may be gone already
                    longest.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                reader = _Reader(connection)
                while not self._stopping and self._serve_one(connection, reader):
                    pass
        except OSError:
            pass  # the other side went away, or was too slow
        finally:
            self._connections.release()

    def _serve_one(self, connection: socket.socket, reader: _Reader) -> bool:
        """Answer one request; whether the connection goes on."""
        with self._changed:
            self._reading[connection] = None
        try:
            request = reader.read_request()
        except BadRequestError as error:
            _send(connection, "GET", html_page(error.status), keep=False)
            return False
        finally:
            with self._changed:
                self._reading.pop(connection, None)
        if request is None:
            return False
        with self._changed:
            self._busy += 1
        try:
            response = self._workers.submit(self._safe_answer, request).result()
            keep = request.headers.get("connection", "").lower() != "close"
            connection.settimeout(REQUEST_SECONDS)
            _send(connection, request.method, response, keep)
            return keep
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _safe_answer(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except Exception:
            log.exception("%s %s failed in a way that it must not", request.method, request.target)
            return html_page(500)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        StartError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise StartError(
            f"cannot listen on {host}:{port}: {error}",
            "stop what is listening there, or choose another with --rest_api_port",
        ) from error


def html_page(status: int) -> Response:
    """The small page of an HTTP library, for what is not part of the API."""
    phrase = HTTPStatus(status).phrase
    page = (
        f"<HTML><HEAD><TITLE>{status} {phrase}</TITLE></HEAD><BODY><H1>{phrase}</H1></BODY></HTML>"
    )
    return Response(status, page.encode(), {"Content-Type": "text/html"})


def _send(connection: socket.socket, method: str, response: Response, keep: bool) -> None:
    phrase = HTTPStatus(response.status).phrase if response.status != 499 else "Client Closed"
    lines = [f"HTTP/1.1 {response.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines.append(f"Content-Length: {len(response.body)}")
    if not keep:
        lines.append("Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    connection.sendall(head if method == "HEAD" else head + response.body)


class _Reader:
    """Reads requests off a connection, against the clock."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._deadline = 0.0

    def read_request(self) -> Request | None:
        """The next request; None when the connection ends between two.

        Raises:
            BadRequestError: it is not HTTP, or too large.
            OSError: it ends in the middle, or takes too long.
        """
        self._deadline = time.monotonic() + IDLE_SECONDS
        if not self._buffer and not self._receive():
            return None
        self._deadline = time.monotonic() + REQUEST_SECONDS
        head = self._until(b"\r\n\r\n", MAX_HEAD_BYTES)
        try:
            first, *rest = head.decode("latin-1").split("\r\n")
            method, target, protocol = first.split(" ")
            if not protocol.startswith("HTTP/1."):
                raise BadRequestError(505)
            pairs = (line.split(":", 1) for line in rest)
            headers = {name.strip().lower(): value.strip() for name, value in pairs}
        except ValueError as error:
            raise BadRequestError(400) from error
        if "100-continue" in headers.get("expect", "").lower():
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if protocol == "HTTP/1.0":
            headers.setdefault("connection", "close")
        body = self._body(headers)
        if "gzip" in headers.get("content-encoding", "").lower():
            body = _gunzip(body)
        return Request(method, target, headers, body)

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunks()
        text = headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()):
            raise BadRequestError(400)
        length = int(text)
        if length > MAX_BODY_BYTES:
            raise BadRequestError(413)
        return self._exactly(length)

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            text = self._until(b"\r\n", 256).split(b";")[0].strip()
            try:
                size = int(text, 16)
            except ValueError as error:
                raise BadRequestError(400) from error
            if size < 0 or len(body) + size > MAX_BODY_BYTES:
                raise BadRequestError(413)
            body += self._exactly(size)
            if size:
                self._exactly(2)
                continue
            while self._until(b"\r\n", MAX_HEAD_BYTES):
                pass  # trailers
            return bytes(body)

    def _until(self, mark: bytes, limit: int) -> bytes:
        searched = 0
        while (found := self._buffer.find(mark, searched)) < 0:
            if len(self._buffer) > limit:
                raise BadRequestError(431)
            searched = max(len(self._buffer) - len(mark) + 1, 0)
            if not self._receive():
                raise ConnectionResetError
        data = bytes(self._buffer[:found])
        del self._buffer[: found + len(mark)]
        return data

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not self._receive():
                raise ConnectionResetError
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _receive(self) -> bool:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        data = self._connection.recv(1 << 18)
        self._buffer += data
        return bool(data)


def _gunzip(body: bytes) -> bytes:
    """The unpacked body; what is broken, or far too large, reads as empty."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        data = unpacker.decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        return b""
    return data if unpacker.eof else b""
