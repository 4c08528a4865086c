"""Delays and failures on demand, and a record of the calls that came in."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from serving_client.errors import BY_CODE, InputError, UnavailableError, from_code


@dataclass(frozen=True)
class ReceivedCall:
    """One call as the test server got it."""

    method: str
    model: str
    request: Any
    headers: dict[str, str]


@dataclass
class _Fault:
    model: str | None
    method: str | None
    seconds: float
    code: str | None
    message: str
    left: float  # how many more times

    def fits(self, method: str, model: str) -> bool:
        return (
            self.left > 0
            and self.model in (None, model)
            and (self.method is None or self.method == method)
        )


class Faults:
    """What goes wrong on purpose. Safe across threads."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    def add(
        self,
        model: str | None,
        method: str | None,
        seconds: float,
        code: str | None,
        message: str,
        times: int | None,
    ) -> None:
        """Delay and/or fail the next `times` calls (None: all)."""
        if code is not None and code not in BY_CODE:
            raise InputError(f"{code!r} is not a gRPC code; there are {', '.join(sorted(BY_CODE))}")
        left = float("inf") if times is None else times
        with self._lock:
            self._faults.append(_Fault(model, method, seconds, code, message, left))

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._faults.clear()

    def apply(self, method: str, model: str) -> None:
        """Wait and raise as told for this call."""
        with self._lock:
            due = [fault for fault in self._faults if fault.fits(method, model)]
            for fault in due:
                fault.left -= 1
        for fault in due:
            if fault.seconds and self.stopping.wait(fault.seconds):
                raise UnavailableError("the server is stopping")
        for fault in due:
            if fault.code is not None:
                raise from_code(fault.code, fault.message)
