"""A webhook: one POST of JSON per outcome; any answer but 2xx is tried again.

At least once: ``Idempotency-Key`` is the event id, so that a receiver can tell a repetition.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import logging
import ssl
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from stream_bridge.config.sinks import WebhookSink
from stream_bridge.errors import ConfigError, SinkError
from stream_bridge.records import Written

_LOG = logging.getLogger(__name__)
# The receiver has read it and does not want it: it will not tomorrow either.
_REFUSED = frozenset({400, 413, 422})


class WebhookWriter:
    """Posts outcomes over one kept connection; goes on behind what was accepted."""

    def __init__(self, config: WebhookSink):
        self._config = config
        self._secret: bytes | None = None
        if config.secret_file is not None:
            try:
                self._secret = config.secret_file.read_bytes().strip()
            except OSError as error:
                raise ConfigError(f"secret_file: {config.secret_file}: {error.strerror}") from error
        self._connection: http.client.HTTPConnection | None = None
        self._batch: Sequence[Written] | None = None
        self._accepted = 0

    def write(self, outcomes: Sequence[Written], texts: Sequence[bytes]) -> None:
        """Returns when the receiver has taken each; raises SinkError at the first it has not."""
        if outcomes is not self._batch:
            self._batch, self._accepted = outcomes, 0
        while self._accepted < len(outcomes):
            at = self._accepted
            self._post(outcomes[at].name, texts[at])
            self._accepted += 1
        self._batch = None

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, name: str, body: bytes) -> None:
        parts = urlsplit(self._config.address)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = self._connected()
            connection.request("POST", path, body, self._headers(name, body))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise SinkError(f"sink {parts.scheme}://{parts.netloc}: {reason}") from error
        if 200 <= answer.status < 300:
            return
        if answer.status in _REFUSED and self._config.refused == "skip":
            _LOG.warning(
                "sink %s refuses %s: %s %s", parts.netloc, name, answer.status, answer.reason
            )
            return
        raise SinkError(f"sink {parts.scheme}://{parts.netloc}: {answer.status} {answer.reason}")

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            parts = urlsplit(self._config.address)
            seconds = self._config.timeout_seconds
            self._connection = (
                http.client.HTTPSConnection(
                    parts.hostname or "",
                    parts.port,
                    timeout=seconds,
                    context=ssl.create_default_context(),
                )
                if parts.scheme == "https"
                else http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
            )
        return self._connection

    def _headers(self, name: str, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": name.encode("ascii", "backslashreplace").decode(),
            **self._config.headers,
        }
        if self._secret is not None:
            stamp = str(int(time.time()))
            signed = hmac.new(self._secret, stamp.encode() + b"." + body, hashlib.sha256)
            headers["X-Livebert-Timestamp"] = stamp
            headers["X-Livebert-Signature"] = f"sha256={signed.hexdigest()}"
        return headers
