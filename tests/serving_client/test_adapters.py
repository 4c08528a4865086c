"""The ready-made hooks, where their packages are installed."""

from __future__ import annotations

import contextlib

import pytest

from serving_client import Client, NotFoundError


def some_calls(server, **settings):
    server.fail("UNAVAILABLE", method="Predict", times=1)
    with Client(server.address, check=False, **settings) as client:
        client.predict("shout", {"text": ["a"]})
        client.submit("shout", {"text": ["a"]}).result()
        with contextlib.suppress(NotFoundError):
            client.predict("nope", {"text": ["a"]})


def test_prometheus(server):
    prometheus = pytest.importorskip("prometheus_client")
    from serving_client.adapters.prometheus import PrometheusHook

    registry = prometheus.CollectorRegistry()
    some_calls(server, hooks=[PrometheusHook(registry)])

    def value(name, **labels):
        return registry.get_sample_value(f"serving_client_{name}", labels)

    good = {"method": "Predict", "model": "shout"}
    assert value("calls_total", **good, version="2", code="OK") == 2
    assert value("retries_total", **good, endpoint=server.address) == 1
    assert value("call_seconds_count", **good) == 2
    assert value("request_bytes_total", **good) > 0
    assert value("response_bytes_total", **good) > 0
    assert value("calls_total", method="Predict", model="nope", version="", code="NOT_FOUND") == 1


def test_opentelemetry(server):
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from serving_client.adapters.opentelemetry import OpenTelemetryHook, trace_headers

    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    hook = OpenTelemetryHook(provider, MeterProvider([reader]))
    with provider.get_tracer("test").start_as_current_span("request") as parent:
        some_calls(server, hooks=[hook], headers=trace_headers)
    first, second, failed, _ = exporter.get_finished_spans()
    assert first.name == "tensorflow.serving/Predict"
    assert first.attributes["serving.version"] == 2
    assert first.attributes["serving.attempts"] == 2
    assert failed.status.description == "NOT_FOUND"
    for span in (first, second, failed):
        assert span.parent.span_id == parent.get_span_context().span_id
        assert span.start_time < span.end_time
    trace = f"{parent.get_span_context().trace_id:032x}"
    assert trace in server.calls[0].headers["traceparent"]
    assert reader.get_metrics_data() is not None
