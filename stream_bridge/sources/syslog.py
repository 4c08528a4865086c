"""Syslog messages over TCP and UDP, spooled to disk with their sender and the time they arrived.

TCP (RFC 6587) frames messages by octet counting (``LENGTH MESSAGE``), which TLS asks for (RFC
5425), or by a line ending; each message is taken as it comes. Guarantee: at least once from the
moment a message is in the spool; syslog acknowledges nothing, so what is in socket buffers when the
bridge stops is the sender's to send again, and so is a counted message that breaks off.

UDP (RFC 5426), one message a datagram, is weaker: from the spool on at least once, too, but what
the network or the kernel's buffer drops on the way, while the bridge is down or its spool is full,
is gone. What the kernel drops is counted, and said.
"""

from __future__ import annotations

import logging
import re
import select
import socket
import struct
import time
from pathlib import Path

from stream_bridge.config.spooled import SyslogSource
from stream_bridge.sources.feeder import Feeder
from stream_bridge.sources.journal import journaled
from stream_bridge.sources.tcp import listen, where

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_DATAGRAM_BYTES = 65_536
_DATAGRAMS = 1000
_SAY_SECONDS = 10.0
# Linux's own, not in Python's socket module: how many datagrams the kernel has dropped.
_SO_RXQ_OVFL = 40
_COUNT = re.compile(rb"([1-9]\d{0,9}) (?=<)")
_MAYBE_COUNT = re.compile(rb"[1-9]\d{0,9} ?")
_END = re.compile(rb"[\n\x00]")


class SyslogAssembler:
    """One sender's bytes to messages, each a line of the journal.

    Args:
      peer: the sender's address.
      max_bytes: the longest message.
    """

    def __init__(self, peer: str, max_bytes: int):
        self._peer = peer
        self._max = max_bytes
        self._buffer = bytearray()
        self._message = bytearray()  # what is kept of the message that has begun
        self._cut = False
        self._left: int | None = None  # bytes to come of a counted message
        self._begun = False  # a message that ends with a line has begun

    def take(self, data: bytes) -> bytes:
        """The messages that ``data`` completes; the rest is kept."""
        self._buffer += data
        block = bytearray()
        while self._advance():
            if self._message:
                block += self._journaled()
            self._message.clear()
            self._cut = False
        return bytes(block)

    def rest(self) -> bytes:
        """A message that only lacks its line ending; a counted one that breaks off is none."""
        self._keep(len(self._buffer))
        if self._left is not None:
            _LOG.warning(
                "%s broke off %d bytes before the end of a message", self._peer, self._left
            )
            return b""
        return self._journaled() if self._message else b""

    def _journaled(self) -> bytes:
        return journaled(
            bytes(self._message), self._max, cut=self._cut, attributes={"peer": self._peer}
        )

    def _advance(self) -> bool:
        """Moves on to the end of a message; False when that has not come yet."""
        if self._left is None and not self._begun and not self._begin():
            return False
        if self._left is not None:
            size = min(self._left, len(self._buffer))
            self._keep(size)
            self._left -= size
            if self._left:
                return False
            self._left = None
            return True
        end = _END.search(self._buffer)
        self._keep(len(self._buffer) if end is None else end.start())
        if end is None:
            return False
        del self._buffer[:1]
        self._begun = False
        if self._message.endswith(b"\r"):
            del self._message[-1:]
        return True

    def _begin(self) -> bool:
        """Finds out how the next message is framed; False when more has to come for that."""
        while self._buffer[:1] in (b"\n", b"\r", b"\x00"):
            del self._buffer[:1]
        if not self._buffer:
            return False
        counted = _COUNT.match(self._buffer)
        if counted is not None:
            self._left = int(counted.group(1))
            del self._buffer[: counted.end()]
            return True
        if _MAYBE_COUNT.fullmatch(self._buffer):
            return False
        self._begun = True
        return True

    def _keep(self, size: int) -> None:
        room = self._max - len(self._message)
        self._message += self._buffer[: min(size, room)]
        self._cut = self._cut or size > room
        del self._buffer[:size]


class DatagramListener(Feeder):
    """Takes datagrams, and feeds the spool.

    Args:
      config: where it listens.
      spool: where it is.
      max_bytes: the longest message.
    """

    def __init__(self, config: SyslogSource, spool: Path, max_bytes: int):
        self._max = max_bytes
        self._socket = listen(config, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, config.receive_bytes)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        super().__init__(config, spool, "syslog-udp")
        self.listening = where(self._socket)
        self._dropped = self._said = 0
        self._said_at = 0.0

    def receive(self) -> bytes:
        """The datagrams that are there: one write and one sync for all of them."""
        block = bytearray()
        if not select.select([self._socket], [], [], _POLL_SECONDS)[0]:
            return b""
        for _ in range(_DATAGRAMS):
            try:
                data, beside, flags, peer = self._socket.recvmsg(_DATAGRAM_BYTES, 64)
            except BlockingIOError:
                break
            except OSError as error:
                _LOG.warning("a datagram could not be read: %s", error.strerror)
                break
            for _, kind, value in beside:
                if kind == _SO_RXQ_OVFL:
                    self._note_dropped(struct.unpack("I", value)[0])
            message = data.rstrip(b"\r\n\x00")
            if message:
                cut = bool(flags & socket.MSG_TRUNC)
                block += journaled(message, self._max, cut=cut, attributes={"peer": peer[0]})
        return bytes(block)

    def _note_dropped(self, dropped: int) -> None:
        self._dropped = dropped
        clock = time.monotonic()
        if dropped > self._said and clock - self._said_at > _SAY_SECONDS:
            _LOG.warning(
                "the kernel has dropped %d datagrams: raise net.core.rmem_max and "
                "source.receive_bytes, or use TCP",
                dropped - self._said,
            )
            self._said, self._said_at = dropped, clock

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()
