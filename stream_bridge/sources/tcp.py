"""A TCP listener that spools lines durably to disk.

Guarantee: a line is at-least-once from the moment it is in the spool. Not guaranteed: TCP tells
the sender nothing, so what is still in socket buffers when the bridge stops is the sender's to
send again. When the spool is full the sockets are not read, and the senders are held back.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from pathlib import Path

from stream_bridge.config.sources import TcpSource
from stream_bridge.errors import SourceError
from stream_bridge.sources.assembler import LineAssembler
from stream_bridge.sources.spool import SpoolWriter

_LOG = logging.getLogger(__name__)
_RECEIVE_BYTES = 256 << 10
_FULL_POLL_SECONDS = 0.02


class TcpListener:
    """Listens in a thread of its own and feeds the spool; a context manager."""

    def __init__(self, config: TcpSource, spool: Path, max_line_bytes: int):
        self._config = config
        self._max_line = max_line_bytes
        self._stop = threading.Event()
        try:
            self._server = socket.create_server((config.host, config.port), backlog=16)
        except OSError as error:
            raise SourceError(
                f"source {config.address}: {error.strerror}; choose another port, or stop what "
                "listens there"
            ) from error
        self._writer = SpoolWriter(spool, config.spool_max_bytes, config.spool_segment_bytes)
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name="tcp-listener", daemon=True)

    @property
    def listening(self) -> str:
        """``host:port`` as it really is."""
        host, port = self._server.getsockname()[:2]
        return f"{host}:{port}"

    def __enter__(self) -> TcpListener:
        self._server.setblocking(False)
        self._selector.register(self._server, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._thread.join()
        self._writer.close()

    def stop(self) -> None:
        """Takes no more lines; what is in the spool stays."""
        self._stop.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if self._writer.full():
                    self._stop.wait(_FULL_POLL_SECONDS)
                    continue
                self._append(self._receive())
        finally:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]
            self._selector.close()

    def _receive(self) -> bytes:
        """What arrived at all sockets, as whole lines: one write and one sync for all of it."""
        block = bytearray()
        for key, _ in self._selector.select(0.1):
            if key.fileobj is self._server:
                self._accept()
                continue
            connection: LineAssembler = key.data
            sock: socket.socket = key.fileobj  # type: ignore[assignment]
            try:
                data = sock.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                _LOG.warning("a sender broke off: %s", error)
                data = b""
            if data:
                block += connection.whole_lines(data, self._max_line)
            else:
                block += connection.last_line()
                self._selector.unregister(sock)
                sock.close()
        return bytes(block)

    def _accept(self) -> None:
        if len(self._selector.get_map()) > self._config.max_connections:
            self._stop.wait(_FULL_POLL_SECONDS)
            return
        try:
            sock, _ = self._server.accept()
        except OSError:
            return
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ, LineAssembler())

    def _append(self, block: bytes) -> None:
        while block:
            try:
                self._writer.append(block)
                return
            except OSError as error:
                # The block is in hand and the sockets wait: nothing is lost while the disk is full.
                _LOG.warning("the spool cannot be written, trying again: %s", error.strerror)
                if self._stop.wait(1.0):
                    _LOG.error("%d bytes of lines could not be spooled", len(block))
                    return
