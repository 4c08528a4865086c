"""Bytes as they come from a socket or a pipe to whole lines, in bounded memory."""

from __future__ import annotations

from typing import Protocol


class Assembler(Protocol):
    """One sender: what it has sent since its last whole message."""

    def take(self, data: bytes) -> bytes:
        """The lines for the spool that ``data`` completes, each with its ending."""

    def rest(self) -> bytes:
        """The same for what stands there when the sender has closed."""


class LineAssembler:
    """Lines, as they are; one without an ending counts when its sender closes.

    Args:
      max_bytes: the longest line.
    """

    def __init__(self, max_bytes: int):
        self._max = max_bytes
        self._pending = bytearray()
        self._overlong = False

    def take(self, data: bytes) -> bytes:
        """The lines that ``data`` completes, each with its ending; the rest is kept."""
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._keep(data)
            return b""
        lines = bytes(self._pending) + self._after_cut(head) + b"\n"
        self._pending.clear()
        self._overlong = False
        self._keep(tail)
        return lines

    def rest(self) -> bytes:
        """What was sent without a line ending before the sender closed."""
        return bytes(self._pending) + b"\n" if self._pending else b""

    def _after_cut(self, head: bytes) -> bytes:
        # Of a line beyond the limit only one byte more is kept: enough for the reader to see it.
        if not self._overlong:
            return head
        _, newline, rest = head.partition(b"\n")
        return newline + rest

    def _keep(self, data: bytes) -> None:
        room = self._max + 1 - len(self._pending)
        self._pending += data[:room]
        self._overlong = self._overlong or len(data) > room
