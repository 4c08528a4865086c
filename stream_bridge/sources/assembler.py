"""Bytes as they come from a socket or a pipe to whole lines, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class LineAssembler:
    """One sender: what it has sent since its last line ending."""

    pending: bytearray = field(default_factory=bytearray)
    overlong: bool = False

    def whole_lines(self, data: bytes, max_bytes: int) -> bytes:
        """The lines that ``data`` completes, each with its ending; the rest is kept."""
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._keep(data, max_bytes)
            return b""
        lines = bytes(self.pending) + self._after_cut(head) + b"\n"
        self.pending.clear()
        self.overlong = False
        self._keep(tail, max_bytes)
        return lines

    def last_line(self) -> bytes:
        """What was sent without a line ending before the sender closed."""
        return bytes(self.pending) + b"\n" if self.pending else b""

    def _after_cut(self, head: bytes) -> bytes:
        # Of a line beyond the limit only one byte more is kept: enough for the reader to see it.
        if not self.overlong:
            return head
        _, newline, rest = head.partition(b"\n")
        return newline + rest

    def _keep(self, data: bytes, max_bytes: int) -> None:
        room = max_bytes + 1 - len(self.pending)
        self.pending += data[:room]
        self.overlong = self.overlong or len(data) > room
