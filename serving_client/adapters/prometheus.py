"""Call metrics for Prometheus. Needs `pip install prometheus-client`.

    from serving_client.adapters.prometheus import PrometheusHook
    client = Client("localhost:8500", hooks=[PrometheusHook()])

| metric | type | labels |
|---|---|---|
| serving_client_calls_total | counter | method, model, version, code |
| serving_client_retries_total | counter | method, model, endpoint |
| serving_client_call_seconds | histogram | method, model |
| serving_client_request_bytes, serving_client_response_bytes | counter | method, model |
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from serving_client.hooks import CallRecord

_prometheus: Any = import_module("prometheus_client")  # optional, so unknown to type checkers

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class PrometheusHook:
    """Counts calls in a `CollectorRegistry`, the default one without.

    Make one for each registry and share it among clients.
    """

    def __init__(self, registry: Any = None) -> None:
        counter, histogram = _prometheus.Counter, _prometheus.Histogram
        kwargs = {"registry": _prometheus.REGISTRY if registry is None else registry}
        self._calls = counter(
            "serving_client_calls",
            "Finished calls by canonical gRPC code",
            ["method", "model", "version", "code"],
            **kwargs,
        )
        self._retries = counter(
            "serving_client_retries",
            "Attempts beyond the first",
            ["method", "model", "endpoint"],
            **kwargs,
        )
        self._seconds = histogram(
            "serving_client_call_seconds",
            "Duration of a call, all attempts together",
            ["method", "model"],
            buckets=_BUCKETS,
            **kwargs,
        )
        self._sent = counter(
            "serving_client_request_bytes", "Bytes of requests", ["method", "model"], **kwargs
        )
        self._received = counter(
            "serving_client_response_bytes", "Bytes of responses", ["method", "model"], **kwargs
        )

    def __call__(self, record: CallRecord) -> None:
        """Count one call."""
        version = "" if record.version is None else str(record.version)
        self._calls.labels(record.method, record.model, version, record.code).inc()
        if record.attempts > 1:
            self._retries.labels(record.method, record.model, record.endpoint).inc(
                record.attempts - 1
            )
        self._seconds.labels(record.method, record.model).observe(record.seconds)
        self._sent.labels(record.method, record.model).inc(record.request_bytes)
        self._received.labels(record.method, record.model).inc(record.response_bytes)
