"""What feeds the spool: a thread that takes lines from senders and makes them durable."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TypeVar

from stream_bridge.config.spooled import Spooled
from stream_bridge.sources.spool import SpoolWriter

_LOG = logging.getLogger(__name__)
_FULL_POLL_SECONDS = 0.02
_Self = TypeVar("_Self", bound="Feeder")


class Feeder(ABC):
    """Base of what feeds the spool; a context manager. While the spool is full, none is taken.

    Attributes:
      listening: ``host:port``, where it listens.
    """

    listening: str | None = None

    def __init__(self, config: Spooled, spool: Path, name: str):
        self._stop = threading.Event()
        self._writer = SpoolWriter(spool, config.spool_max_bytes, config.spool_segment_bytes)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self: _Self) -> _Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._writer.close()

    @abstractmethod
    def receive(self) -> bytes:
        """What there is now, as whole lines; waits a moment for it."""

    def written(self, segment: int, start: int) -> None:  # noqa: B027 - most need not know
        """What `receive` gave last is durable, in that segment from that byte on.

        Called after each `receive`, also where it gave nothing.
        """

    def close(self) -> None:  # noqa: B027 - some have nothing to free
        """Frees what the thread has used; called in it."""

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if self._writer.full():
                    self._stop.wait(_FULL_POLL_SECONDS)
                    continue
                block = self.receive()
                place = self._append(block) if block else (0, 0)
                if place is not None:
                    self.written(*place)
        finally:
            self.close()

    def _append(self, block: bytes) -> tuple[int, int] | None:
        while True:
            try:
                return self._writer.append(block)
            except OSError as error:
                # The block is in hand and the senders wait: nothing is lost while the disk is full.
                _LOG.warning("the spool cannot be written, trying again: %s", error.strerror)
                if self._stop.wait(1.0):
                    _LOG.error("%d bytes of lines could not be spooled", len(block))
                    return None
