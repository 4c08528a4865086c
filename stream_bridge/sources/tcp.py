"""A TCP listener that spools what senders send durably to disk: lines, or framed messages.

Guarantee: a line is at-least-once from the moment it is in the spool. Not guaranteed: TCP tells
the sender nothing, so what is still in socket buffers when the bridge stops is the sender's to
send again. When the spool is full the sockets are not read, and the senders are held back.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from stream_bridge.config.spooled import Listening
from stream_bridge.errors import SourceError
from stream_bridge.sources.assembler import Assembler
from stream_bridge.sources.feeder import Feeder

_LOG = logging.getLogger(__name__)
_RECEIVE_BYTES = 256 << 10
_FULL_POLL_SECONDS = 0.02


class TcpListener(Feeder):
    """Listens, and feeds the spool.

    Args:
      config: where it listens, and TLS.
      spool: where it is.
      assemble: makes what puts a sender's bytes together, from the sender's address.
    """

    def __init__(self, config: Listening, spool: Path, assemble: Callable[[str], Assembler]):
        self._config = config
        self._assemble = assemble
        self._tls = config.tls.context() if config.tls is not None else None
        self._server = listen(config, socket.SOCK_STREAM)
        super().__init__(config, spool, "tcp-listener")
        # What is read at once is no more than the spool may hold beyond its limit.
        self._most = min(_RECEIVE_BYTES, config.spool_segment_bytes)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self.listening = where(self._server)

    def receive(self) -> bytes:
        """What arrived at all sockets, as whole lines: one write and one sync for all of it."""
        block = bytearray()
        for key, _ in self._selector.select(0.1):
            if key.fileobj is self._server:
                self._accept()
                continue
            sender: Assembler = key.data
            sock: socket.socket = key.fileobj  # type: ignore[assignment]
            data, closed = _read(sock, self._most)
            block += sender.take(data)
            if closed:
                block += sender.rest()
                self._selector.unregister(sock)
                sock.close()
        return bytes(block)

    def _accept(self) -> None:
        if len(self._selector.get_map()) > self._config.max_connections:
            self._stop.wait(_FULL_POLL_SECONDS)
            return
        try:
            sock, peer = self._server.accept()
        except OSError:
            return
        sock.setblocking(False)
        if self._tls is not None:
            # The handshake is part of the first reads.
            sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._selector.register(sock, selectors.EVENT_READ, self._assemble(peer[0]))

    def close(self) -> None:
        """Closes all sockets."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


def listen(config: Listening, kind: socket.SocketKind) -> socket.socket:
    """A socket bound to the config's address, not blocking; raises SourceError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            config.host, config.port, type=kind, flags=socket.AI_PASSIVE
        )[0]
        if kind == socket.SOCK_STREAM:
            sock = socket.create_server(address[:2], family=family, backlog=16)
        else:
            sock = socket.socket(family, kind)
            sock.bind(address)
    except OSError as error:
        raise SourceError(
            f"source {config.address}: {error.strerror}; choose another address, or stop what "
            "listens there"
        ) from error
    sock.setblocking(False)
    return sock


def where(sock: socket.socket) -> str:
    """``host:port`` as it really is."""
    host, port = sock.getsockname()[:2]
    return f"{host}:{port}"


def _read(sock: socket.socket, most: int) -> tuple[bytes, bool]:
    """What is there, about ``most`` bytes of it, and whether the sender has closed."""
    data = bytearray()
    # TLS gives one record at a time, and its records may be one message each. Of a record nothing
    # may be left: the selector would not tell of it.
    at_once = _RECEIVE_BYTES if isinstance(sock, ssl.SSLSocket) else most
    try:
        while len(data) < most:
            some = sock.recv(at_once)
            if not some:
                return bytes(data), True
            data += some
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        pass
    except OSError as error:
        _LOG.warning("a sender broke off: %s", error)
        return bytes(data), True
    return bytes(data), False
