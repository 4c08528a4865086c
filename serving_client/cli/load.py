"""The `bench` command: items of the command line into a load on one model."""

from __future__ import annotations

import argparse
from typing import Any

from serving_client import Client, InputError
from serving_client import bench as load_generator
from serving_client.bulk import collate

_DEFAULT_CONCURRENCY = 8


def bench(client: Client, arguments: argparse.Namespace, items: list[Any]) -> load_generator.Report:
    """Send the items in turn, `--batch-size` a call. One call is made before the clock runs."""
    if not items:
        raise InputError("bench needs at least one item to send")
    size = arguments.batch_size
    if size < 1:
        raise InputError("--batch-size must be at least 1")
    batches = []
    for start in range(0, max(len(items), 1), size):
        chosen = [items[(start + k) % len(items)] for k in range(size)]
        batches.append(collate(list(enumerate(chosen))))
    concurrency = arguments.concurrency
    if concurrency is None and arguments.rate is None:
        concurrency = _DEFAULT_CONCURRENCY
    load = load_generator.Load(concurrency, arguments.rate, arguments.seconds, arguments.warmup)

    def call(number: int) -> object:
        return client.predict(
            arguments.model,
            batches[number % len(batches)],
            version=arguments.version,
            label=arguments.label,
            signature=arguments.signature,
        )

    call(0)  # a wrong request or an absent server is one clear line, not a table of failures
    return load_generator.run(load, call, size)
