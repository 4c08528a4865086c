"""One record for each finished call, for metrics, traces and logs.

A hook is any function that takes a `CallRecord`. It runs on the caller's thread (or event loop)
right after the call, must be quick, and must not raise: what it raises is logged and dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallRecord:
    """What happened to one call, all attempts together.

    `code` is "OK" or a canonical gRPC code; `version` is the version that answered, or the one
    asked for when none did; sizes are bytes of the message, 0 where nothing came back.
    """

    method: str
    model: str
    version: int | None
    signature: str
    endpoint: str
    attempts: int
    request_bytes: int
    response_bytes: int
    seconds: float
    code: str


CallHook = Callable[[CallRecord], None]


def notify(hooks: Iterable[CallHook], record: CallRecord) -> None:
    """Give the record to each hook; a hook's failure never becomes the call's."""
    for hook in hooks:
        try:
            hook(record)
        except Exception:
            _logger.exception("hook %r failed", hook)
