"""Spans and metrics for OpenTelemetry. Needs `pip install opentelemetry-api` (and an SDK).

    from serving_client.adapters.opentelemetry import OpenTelemetryHook, trace_headers
    client = Client("localhost:8500", hooks=[OpenTelemetryHook()], headers=trace_headers)

Each call becomes a client span under the span that is current, named after the RPC, with the
attributes of the RPC conventions; and a `rpc.client.duration` histogram. `trace_headers` lets the
server's spans join the same trace.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from serving_client.hooks import CallRecord

_SERVICE = "tensorflow.serving"


def trace_headers() -> Mapping[str, str]:
    """The headers that carry the current trace; give this function as the client's `headers`."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


class OpenTelemetryHook:
    """Reports calls to the given providers, the global ones without."""

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("serving_client", tracer_provider=tracer_provider)
        meter = metrics.get_meter("serving_client", meter_provider=meter_provider)
        self._duration = meter.create_histogram(
            "rpc.client.duration", "ms", "Duration of a call, all attempts together"
        )

    def __call__(self, record: CallRecord) -> None:
        """Report one call that has just ended."""
        common = {
            "rpc.system": "grpc",
            "rpc.service": _SERVICE,
            "rpc.method": record.method,
            "serving.model": record.model,
            "rpc.grpc.status_code_name": record.code,
        }
        end = time.time_ns()
        span = self._tracer.start_span(
            f"{_SERVICE}/{record.method}",
            kind=SpanKind.CLIENT,
            start_time=end - int(record.seconds * 1e9),
            attributes={
                **common,
                "serving.signature": record.signature,
                "serving.attempts": record.attempts,
                "server.address": record.endpoint,
                "rpc.request.size": record.request_bytes,
                "rpc.response.size": record.response_bytes,
            },
        )
        if record.version is not None:
            span.set_attribute("serving.version", record.version)
        if record.code != "OK":
            span.set_status(Status(StatusCode.ERROR, record.code))
        span.end(end)
        self._duration.record(record.seconds * 1000, common)
