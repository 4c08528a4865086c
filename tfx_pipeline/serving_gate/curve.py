"""Latency and throughput by batch size, and the batching parameters that follow from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from serving_client import Client, bench

# A batch size is worth taking while it gives this share of the best throughput.
_ENOUGH = 0.9
_MOST_WAIT_MS = 20.0
_QUEUE_SECONDS = 2.0


@dataclass(frozen=True)
class Point:
    """What one caller saw with calls of `batch_size` texts."""

    batch_size: int
    p50_ms: float
    p99_ms: float
    events_per_second: float
    errors: int


def measure(
    client: Client, name: str, texts: Sequence[str], batch_sizes: Sequence[int], seconds: float
) -> list[Point]:
    """Call the model with each batch size for some seconds; one call under way at a time."""
    points = []
    for size in batch_sizes:

        def call(number: int, size: int = size) -> None:
            first = number * size
            chosen = [texts[(first + place) % len(texts)] for place in range(size)]
            client.predict(name, chosen)

        call(0)
        load = bench.Load(concurrency=1, seconds=seconds, warmup_seconds=min(seconds / 4, 1.0))
        found = bench.run(load, call, size)
        points.append(
            Point(
                size,
                round(found.percentile(50) * 1000, 2),
                round(found.percentile(99) * 1000, 2),
                round(found.calls * size / found.seconds, 1),
                sum(found.errors.values()),
            )
        )
    return points


def batching_parameters(points: Sequence[Point], max_p99_ms: float | None) -> str:
    """Choose batching from the curve; TF Serving's `BatchingParameters` as text proto.

    The largest batch is the smallest measured one with nearly the best throughput, within the
    latency budget. A call waits for company at most half as long as a lone call takes to answer,
    and the queue holds what the server does in two seconds: beyond that it refuses at once.
    """
    within = [p for p in points if max_p99_ms is None or p.p99_ms <= max_p99_ms] or points[:1]
    best = max(point.events_per_second for point in within)
    chosen = next(p for p in within if p.events_per_second >= _ENOUGH * best)
    size = max(chosen.batch_size, 1)
    allowed = [1]
    while allowed[-1] < size:
        allowed.append(min(2 * allowed[-1], size))
    wait_micros = round(min(points[0].p50_ms / 2, _MOST_WAIT_MS) * 1000)
    batches = max(2, round(_QUEUE_SECONDS * chosen.events_per_second / size))
    lines = [
        f"max_batch_size {{ value: {size} }}",
        f"batch_timeout_micros {{ value: {wait_micros} }}",
        f"max_enqueued_batches {{ value: {batches} }}",
        f"num_batch_threads {{ value: {os.cpu_count() or 1} }}",
        *(f"allowed_batch_sizes: {value}" for value in allowed),
    ]
    return "\n".join(lines) + "\n"


def picture(points: Sequence[Point]) -> str:
    """Draw p50, p99 and throughput over the batch size as an SVG image."""
    width, height, margin = 640, 360, 56
    most_ms = max(point.p99_ms for point in points) or 1.0
    most_rate = max(point.events_per_second for point in points) or 1.0
    spread = max(len(points) - 1, 1)

    def place(number: int, share: float) -> tuple[float, float]:
        x = margin + number * (width - 2 * margin) / spread
        return round(x, 1), round(height - margin - share * (height - 2 * margin), 1)

    def line(name: str, colour: str, shares: Sequence[float], at: int) -> str:
        places = [place(number, share) for number, share in enumerate(shares)]
        path = " ".join(f"{x},{y}" for x, y in places)
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places)
        return (
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
            f'<text x="{margin + at}" y="24" fill="{colour}">{name}</text>'
        )

    drawn = [
        line("p50", "#1f6feb", [p.p50_ms / most_ms for p in points], 0),
        line("p99", "#b42318", [p.p99_ms / most_ms for p in points], 60),
        line("events/s", "#2a8f6a", [p.events_per_second / most_rate for p in points], 120),
    ]
    for number, point in enumerate(points):
        x, y = place(number, 0)
        drawn.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{point.batch_size}</text>')
    base, right = height - margin, width - margin
    drawn += [
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">texts in a call</text>',
        f'<text x="4" y="{margin}">{most_ms:.0f} ms</text>',
        f'<text x="{right + 4}" y="{margin}">{most_rate:.0f}/s</text>',
        f'<path d="M{margin} {margin}V{base}H{right}V{margin}" fill="none" stroke="#999"/>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(drawn)}</svg>\n"
    )
