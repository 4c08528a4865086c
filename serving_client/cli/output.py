"""What commands print: one JSON object a line on stdout, words and progress on stderr."""

from __future__ import annotations

import base64
import json
import sys
import time
from typing import Any

import numpy as np


def line(value: dict[str, Any]) -> None:
    """Print one JSON line. Bytes that are no UTF-8 become `{"b64": …}`."""
    print(json.dumps(value, ensure_ascii=False, default=plain), flush=sys.stdout.isatty())


def plain(value: Any) -> Any:
    """numpy and bytes as JSON has them."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biufO":
            return value.tolist()
        if value.dtype.kind == "c":
            return [value.real.tolist(), value.imag.tolist()]
        return value.astype(np.float32).tolist()  # bfloat16 and its like
    if isinstance(value, np.generic):
        item = value.item()
        return [item.real, item.imag] if isinstance(item, complex) else item
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} has no JSON form")


_BAR = 30


class Progress:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._shown = sys.stderr.isatty() and not sys.stdout.isatty()
        self._started = time.monotonic()
        self._next = 0.0

    def update(self, done: int, failed: int) -> None:
        """Draw at most ten times a second."""
        now = time.monotonic()
        if not self._shown or now < self._next:
            return
        self._next = now + 0.1
        rate = done / max(now - self._started, 1e-9)
        text = f"{done} done, {failed} failed, {rate:.0f}/s"
        if self._total:
            filled = min(_BAR, _BAR * done // self._total)
            left = max(0, self._total - done) / rate
            text = f"[{'#' * filled}{'.' * (_BAR - filled)}] {text}, about {left:.0f} s left"
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the terminal clean."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
