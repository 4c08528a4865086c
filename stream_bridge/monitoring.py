"""An HTTP endpoint for Prometheus (`/metrics`) and for health checks (`/healthz`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stream_bridge.errors import ConfigError
from stream_bridge.metrics import BUCKETS, Metrics, Snapshot

_PREFIX = "livebert_bridge"
_HEALTHY = frozenset({"running", "draining"})


class Monitor:
    """Serves the endpoint in threads of its own.

    Args:
      address: ``HOST:PORT``; port 0 takes a free one.
      status: gives the bridge's status.
      metrics: the bridge's metrics.
    """

    def __init__(self, address: str, status: Callable[[], dict[str, Any]], metrics: Metrics):
        host, _, port = address.rpartition(":")

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Answers a request."""
                if self.path == "/metrics":
                    lines = exposition(status(), metrics.snapshot())
                    self._answer(200, "\n".join(lines) + "\n", "text/plain; version=0.0.4")
                elif self.path == "/healthz":
                    now = status()
                    healthy = now["state"] in _HEALTHY
                    reason = now["waiting_for"] or ""
                    text = f"{now['state']} {reason}".strip() + "\n"
                    self._answer(200 if healthy else 503, text, "text/plain")
                else:
                    self._answer(404, "there are /metrics and /healthz\n", "text/plain")

            def _answer(self, code: int, text: str, kind: str) -> None:
                body = text.encode()
                self.send_response(code)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are not logged."""

        try:
            self._server = ThreadingHTTPServer((host, int(port)), Handler)
        except OSError as error:
            raise ConfigError(
                f"monitoring.address: {address}: {error.strerror}; choose another port"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="monitoring", daemon=True
        )

    @property
    def address(self) -> str:
        """``host:port`` as it really is."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stops answering and frees the port."""
        self._server.shutdown()
        self._server.server_close()


def exposition(status: dict[str, Any], snapshot: Snapshot) -> Iterator[str]:
    """The metrics in Prometheus' text format, line by line."""
    counts = snapshot.counts
    outcomes = {
        "predicted": counts.predicted,
        "dead": counts.dead,
        "dropped": counts.rules_dropped,
        "skipped": counts.skipped,
    }
    yield from _family("lines_total", "counter", "Committed lines.", "outcome", outcomes)
    yield from _family(
        "predictions_total", "counter", "Predictions by version.", "version", counts.versions
    )
    yield from _family(
        "dead_letters_total", "counter", "Dead letters by reason.", "code", counts.dead_codes
    )
    yield from _single("alerts_total", "counter", "Predictions that are alerts.", counts.alerts)
    yield from _single(
        "alerts_suppressed_total", "counter", "Alerts that only repeat one.", counts.suppressed
    )
    yield from _single("review_total", "counter", "For a person to look at.", counts.review)
    ruled = counts.dropped + counts.ruled
    yield from _family("rules_total", "counter", "Events a rule held for.", "rule", ruled)
    failures = status["rule_failures"]
    yield from _family("rule_failures_total", "counter", "It failed on them.", "rule", failures)
    if status["shadow"]:
        yield from _shadow(status["shadow"])
    if status["cache"]:
        cache = {"hit": status["cache"]["hits"], "miss": status["cache"]["misses"]}
        yield from _family("cache_total", "counter", "Look-ups in the cache.", "result", cache)
    yield from _histogram(snapshot)
    yield from _single("waiting_lines", "gauge", "Read, not committed.", snapshot.waiting)
    yield from _single("backlog_bytes", "gauge", "Not read.", status["backlog_bytes"])
    behind = status["backlog_events"]
    yield from _head("backlog_events", "gauge", "With the broker, not read.")
    if behind is not None:
        yield f"{_PREFIX}_backlog_events {behind}"
    yield from _stages(snapshot)
    yield from _single("windows_total", "counter", "Summaries of windows.", snapshot.windows)
    yield from _single("too_late_total", "counter", "Too late for a window.", snapshot.too_late)
    still = int(snapshot.waiting_for is not None)
    yield from _single("standing_still", "gauge", "Waits for a server or sink.", still)


def _stages(snapshot: Snapshot) -> Iterator[str]:
    name = "stage_seconds"
    yield from _head(name, "gauge", "Median and 99th percentile of a stage.")
    for stage, found in snapshot.stages_ms.items():
        for quantile, key in (("0.5", "p50"), ("0.99", "p99")):
            value = found[key]
            if value is not None:
                labels = f'stage="{stage}",quantile="{quantile}"'
                yield f"{_PREFIX}_{name}{{{labels}}} {value / 1000}"


def _shadow(shadow: dict[str, Any]) -> Iterator[str]:
    first, second = shadow["first"], shadow["second"]
    if shadow["mode"] == "split":
        events = {"first": first["events"], "second": second["events"]}
    else:
        events = {
            "agreed": second["events"] - shadow["disagreed"],
            "disagreed": shadow["disagreed"],
            "failed": shadow["failed"],
            "left_out": shadow["left_out"],
        }
    yield from _family(
        "shadow_events_total", "counter", "Beside the shadow model.", "outcome", events
    )
    sides = {"first": first, "second": second}
    scores = {name: side["score"] for name, side in sides.items() if side["score"] is not None}
    yield from _family("shadow_score", "gauge", "Mean score.", "model", scores)
    calls = {
        name: side["p50_ms"] / 1000 for name, side in sides.items() if side["p50_ms"] is not None
    }
    yield from _family("shadow_call_seconds", "gauge", "Median call.", "model", calls)


def _label(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {text}"
    yield f"# TYPE {_PREFIX}_{name} {kind}"


def _single(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    yield from _head(name, kind, text)
    yield f"{_PREFIX}_{name} {value}"


def _family(
    name: str, kind: str, text: str, label: str, values: Mapping[Any, float]
) -> Iterator[str]:
    yield from _head(name, kind, text)
    for key, value in values.items():
        yield f'{_PREFIX}_{name}{{{label}="{_label(key)}"}} {value}'


def _histogram(snapshot: Snapshot) -> Iterator[str]:
    name = "latency_seconds"
    yield from _head(name, "histogram", "From reading a line to its result on disk.")
    total = 0
    for limit, many in zip((*BUCKETS, "+Inf"), snapshot.latency_buckets, strict=True):
        total += many
        yield f'{_PREFIX}_{name}_bucket{{le="{limit}"}} {total}'
    yield f"{_PREFIX}_{name}_sum {snapshot.latency_sum}"
    yield f"{_PREFIX}_{name}_count {total}"
