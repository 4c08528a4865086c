"""Standard input, spooled to disk like a socket.

Guarantee: at least once from the moment a line is in the spool; a next run scores what this one
left there. The run ends when standard input does and the spool is scored.
"""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path

from stream_bridge.config.spooled import StdinSource
from stream_bridge.sources.assembler import LineAssembler
from stream_bridge.sources.feeder import Feeder

_READ_BYTES = 256 << 10
_POLL_SECONDS = 0.1


class StdinFeeder(Feeder):
    """Reads a pipe and feeds the spool.

    Args:
      config: sizes of the spool.
      spool: where it is.
      max_line_bytes: longest line.
      ended: set when the pipe has ended and all of it is in the spool.
      pipe: file descriptor to read.
    """

    def __init__(
        self,
        config: StdinSource,
        spool: Path,
        max_line_bytes: int,
        ended: threading.Event,
        pipe: int = 0,
    ):
        super().__init__(config, spool, "stdin")
        self._pipe = pipe
        self._lines = LineAssembler(max_line_bytes)
        self._at_end = False
        self._ended = ended

    def receive(self) -> bytes:
        """Whole lines of what stands in the pipe, and at its end the last one."""
        if not select.select([self._pipe], [], [], _POLL_SECONDS)[0]:
            return b""
        data = os.read(self._pipe, _READ_BYTES)
        self._at_end = not data
        return self._lines.take(data) if data else self._lines.rest()

    def written(self, segment: int, start: int) -> None:
        """Ends with the pipe."""
        if self._at_end:
            self._ended.set()
            self._stop.set()
