"""Log lines on stderr, one per event."""

from __future__ import annotations

import json
import logging
import sys
import time


class TextFormatter(logging.Formatter):
    """`2026-01-05 10:00:00.123456 I manager: message` on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        text = _message(record).replace("\n", "\\n")
        micros = int(record.created % 1 * 1e6)
        return f"{clock}.{micros:06d} {record.levelname[0]} {record.module}: {text}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (seconds since the epoch), level, module, message."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        return json.dumps(
            {
                "time": round(record.created, 6),
                "level": record.levelname,
                "module": record.module,
                "message": _message(record),
            },
            ensure_ascii=False,
        )


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + logging.Formatter().formatException(record.exc_info)
    return text


def configure(log_format: str) -> None:
    """Send the log to stderr; `log_format` is `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
