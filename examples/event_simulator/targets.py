"""Where a stream goes: standard output, a growing file, or a TCP socket."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Protocol

from .errors import TargetError, UsageError
from .stopping import Stop

_RECONNECT_SECONDS = (0.2, 5.0)  # the first wait, and the longest
_SOCKET_TIMEOUT_SECONDS = 0.5  # how soon a blocked send notices that it should stop


class Target(Protocol):
    """Takes lines one by one."""

    path: str
    """What stands for `{path}` in event ids."""

    def send(self, line: bytes) -> int | None:
        """Write one line (with its line end); its byte position, or None when asked to stop."""

    def close(self) -> None:
        """Release the file or the socket."""


def open_target(address: str, stop: Stop) -> Target:
    """The target that `stdout`, `file:PATH` or `tcp:HOST:PORT` names; UsageError for others."""
    scheme, _, rest = address.partition(":")
    if address == "stdout":
        return StdoutTarget()
    if scheme == "file" and rest:
        return FileTarget(rest)
    if scheme == "tcp":
        host, _, port = rest.rpartition(":")
        if host and port.isdigit():
            return TcpTarget(host.strip("[]"), int(port), stop)
    raise UsageError(f"--to {address}: write stdout, file:PATH or tcp:HOST:PORT")


class StdoutTarget:
    """Standard output, flushed after each line; a reader that goes away ends the stream."""

    path = "stdout"

    def __init__(self) -> None:
        self._position = 0

    def send(self, line: bytes) -> int | None:
        """See Target."""
        try:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Python flushes stdout again when it exits; give it somewhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None
        begin, self._position = self._position, self._position + len(line)
        return begin

    def close(self) -> None:
        """See Target."""


class FileTarget:
    """A growing file: each line is appended by one write, so a reader sees whole lines."""

    def __init__(self, path: str):
        self.path = path
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise TargetError(f"cannot write {path}: {error.strerror}") from error

    def send(self, line: bytes) -> int | None:
        """See Target."""
        begin = self._file.tell()
        try:
            self._file.write(line)
        except OSError as error:
            raise TargetError(f"cannot write {self.path}: {error.strerror}") from error
        return begin

    def close(self) -> None:
        """See Target."""
        self._file.close()


class TcpTarget:
    """A TCP connection to a listener, made again when it breaks.

    A line that could not be handed to the connection whole is sent again, whole, on the next one,
    and all later lines wait for it. Not guaranteed: TCP tells nobody whether the other side read
    what it was sent, so lines that were on their way when a listener died are lost.
    """

    def __init__(self, host: str, port: int, stop: Stop):
        self.path = f"tcp:{host}:{port}"
        self._address = (host, port)
        self._stop = stop
        self._socket: socket.socket | None = None
        self._position = 0
        self._told = False

    def send(self, line: bytes) -> int | None:
        """See Target; waits for the listener as long as it takes."""
        while not self._stop.requested:
            connection = self._socket or self._connect()
            if connection is None:
                return None
            try:
                if self._closed_by_peer(connection):
                    raise ConnectionResetError("closed by the other side")
                self._send_whole(connection, line)
            except OSError as error:
                self._tell(f"connection to {self.path} lost ({error}); connecting again")
                self.close()
                continue
            begin, self._position = self._position, self._position + len(line)
            return begin
        return None

    def close(self) -> None:
        """See Target."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket | None:
        wait, longest = _RECONNECT_SECONDS
        while not self._stop.requested:
            try:
                self._socket = socket.create_connection(self._address, timeout=5)
            except OSError as error:
                if not self._told:
                    self._tell(f"cannot connect to {self.path} ({error}); trying until it listens")
                    self._told = True
                self._stop.sleep_until(time.monotonic() + wait)
                wait = min(wait * 2, longest)
                continue
            self._socket.settimeout(_SOCKET_TIMEOUT_SECONDS)
            if self._told:
                self._tell(f"connected to {self.path}")
                self._told = False
            return self._socket
        return None

    def _send_whole(self, connection: socket.socket, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[connection.send(rest) :]
            except TimeoutError:  # the listener reads slowly: that is back pressure, not a failure
                if self._stop.requested:
                    raise

    @staticmethod
    def _closed_by_peer(connection: socket.socket) -> bool:
        # A send to a half-closed connection succeeds and is lost; its end of file shows it before.
        connection.setblocking(False)
        try:
            return connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        finally:
            connection.settimeout(_SOCKET_TIMEOUT_SECONDS)

    def _tell(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
