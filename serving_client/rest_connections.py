"""HTTP connections to one REST address, kept open between calls."""

from __future__ import annotations

import http.client
import io
import selectors
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from serving_client.config import Tls
from serving_client.errors import InputError
from serving_client.rest_json import HttpRequest
from serving_client.transport import Cancellation

_MAX_IDLE = 64
_CHUNK_BYTES = 1 << 20


def tls_context(tls: Tls | None) -> ssl.SSLContext:
    """TLS settings as the ssl module wants them."""
    try:
        root = tls.root_certificates.decode() if tls and tls.root_certificates else None
        context = ssl.create_default_context(cadata=root)
        if tls and tls.client_certificate and tls.client_key:
            with tempfile.NamedTemporaryFile() as pem:  # the module reads keys from files only
                pem.write(tls.client_certificate + b"\n" + tls.client_key)
                pem.flush()
                context.load_cert_chain(pem.name)
    except (ssl.SSLError, ValueError) as error:
        raise InputError(f"a TLS certificate or key cannot be used: {error}") from error
    return context


class _NamedHttps(http.client.HTTPSConnection):
    """HTTPS that expects a certificate for another name than the address."""

    def __init__(self, *args: Any, name: str, context: ssl.SSLContext, **kwargs: Any) -> None:
        super().__init__(*args, context=context, **kwargs)
        self._name = name
        self._tls = context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


class Pool:
    """The connections to one address. Safe across threads."""

    def __init__(self, address: str, tls: Tls | None) -> None:
        parts = urlsplit(address)
        self._host = parts.hostname or ""
        self._prefix = parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._name = tls.server_name if tls else None
        self._context = tls_context(tls) if self._secure else None
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def exchange(
        self,
        request: HttpRequest,
        timeout: float,
        headers: Mapping[str, str],
        cancellation: Cancellation | None,
    ) -> tuple[int, bytes]:
        """Status and body. OSError or HTTPException when the connection fails."""
        deadline = time.monotonic() + timeout
        connection = self._take(timeout)
        if cancellation is not None:
            cancellation.on_cancel(lambda: _abort(connection))
        keep = False
        try:
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.request(
                request.verb,
                self._prefix + request.path,
                request.body,
                {"content-type": "application/json", **headers},
            )
            connection.response_class = _Limited(deadline)  # type: ignore[assignment]
            with connection.getresponse() as answer:
                parts = []
                # Not all at once: memory for what the server promises would be taken beforehand.
                while chunk := answer.read1(_CHUNK_BYTES):
                    parts.append(chunk)
                if answer.length:
                    raise http.client.IncompleteRead(b"".join(parts), answer.length)
            keep = not answer.will_close
            return answer.status, b"".join(parts)
        finally:
            self._put_back(connection, keep=keep)

    def _take(self, timeout: float) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else self._new(timeout)
                self._busy.add(connection)
            if connection.sock is None or _is_open(connection):
                return connection
            self._put_back(connection, keep=False)

    def _new(self, timeout: float) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        if self._name:
            return _NamedHttps(
                self._host, self._port, timeout=timeout, context=self._context, name=self._name
            )
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=timeout, context=self._context
        )

    def _put_back(self, connection: http.client.HTTPConnection, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if keep and not self._closed and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is idle and cut off the calls under way."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for connection in idle:
            connection.close()
        for connection in busy:
            _abort(connection)


def _is_open(connection: http.client.HTTPConnection) -> bool:
    # A server says nothing on an idle connection: what can be read there is its end.
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return not selector.select(0)


class _Limited:
    """Makes responses each of whose waits for bytes ends with one deadline.

    A socket's own timeout starts again with every byte, so a server that sends drops could hold a
    call as long as it liked.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __call__(self, sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        self._sock = sock
        return http.client.HTTPResponse(self, *args, **kwargs)  # type: ignore[arg-type]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Bytes(self._sock, self._deadline))


class _Bytes(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline passed")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _abort(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # gone already
