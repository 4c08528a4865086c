"""Standard input, spooled to disk like a socket.

Guarantee: at least once from the moment a line is in the spool; a next run scores what this one
left there. The run ends when standard input does and the spool is scored.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from pathlib import Path

from stream_bridge.config.sources import StdinSource
from stream_bridge.sources.assembler import LineAssembler
from stream_bridge.sources.spool import SpoolWriter

_LOG = logging.getLogger(__name__)
_READ_BYTES = 256 << 10
_POLL_SECONDS = 0.1
_FULL_POLL_SECONDS = 0.02


class StdinFeeder:
    """Reads a pipe in a thread of its own and feeds the spool; a context manager.

    Args:
      config: sizes of the spool.
      spool: where it is.
      max_line_bytes: longest line.
      ended: set when the pipe has ended and all of it is in the spool.
      pipe: file descriptor to read.
    """

    listening = None

    def __init__(
        self,
        config: StdinSource,
        spool: Path,
        max_line_bytes: int,
        ended: threading.Event,
        pipe: int = 0,
    ):
        self._pipe = pipe
        self._max_line = max_line_bytes
        self._ended = ended
        self._stop = threading.Event()
        self._writer = SpoolWriter(spool, config.spool_max_bytes, config.spool_segment_bytes)
        self._thread = threading.Thread(target=self._run, name="stdin", daemon=True)

    def __enter__(self) -> StdinFeeder:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._writer.close()

    def _run(self) -> None:
        lines = LineAssembler()
        while not self._stop.is_set():
            if self._writer.full():
                self._stop.wait(_FULL_POLL_SECONDS)
                continue
            if not select.select([self._pipe], [], [], _POLL_SECONDS)[0]:
                continue
            data = os.read(self._pipe, _READ_BYTES)
            block = lines.whole_lines(data, self._max_line) if data else lines.last_line()
            self._append(block)
            if not data:
                self._ended.set()
                return

    def _append(self, block: bytes) -> None:
        while block:
            try:
                self._writer.append(block)
                return
            except OSError as error:
                _LOG.warning("the spool cannot be written, trying again: %s", error.strerror)
                if self._stop.wait(1.0):
                    _LOG.error("%d bytes of lines could not be spooled", len(block))
                    return
