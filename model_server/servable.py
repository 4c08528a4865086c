"""A loaded version: its signatures, and a graph to run them on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from model_server.metrics import Histogram
from model_server.runtime.tensor import Tensor, parse_proto
from model_server.runtime.wire import varint
from serving_client import protos

DEFAULT_SIGNATURE = "serving_default"


class Graph(Protocol):
    """What can be run by tensor names: a session, or something that joins runs in front of one."""

    def run(
        self,
        feeds: Sequence[tuple[str, Tensor]],
        fetches: Sequence[str],
        timeout_ms: int | None = None,
    ) -> list[Tensor]:
        """Run once and return the fetched tensors in order."""


@dataclass(frozen=True)
class Signature:
    """One signature: aliases to tensor names, and values for inputs that may be left out.

    `definition` is the SignatureDef it was read from.
    """

    key: str
    method: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    defaults: Mapping[str, Tensor]
    definition: Any


@dataclass(frozen=True)
class Servable:
    """One version of one model, ready to run.

    `definitions` is the SignatureDefMap of its meta graph; `close` gives its memory back.
    """

    name: str
    version: int
    signatures: Mapping[str, Signature]
    definitions: Any
    graph: Graph
    close: Callable[[], None]
    latency: Histogram

    def run(
        self,
        api: str,
        feeds: Sequence[tuple[str, Tensor]],
        fetches: Sequence[str],
        timeout_ms: int | None,
    ) -> list[Tensor]:
        """Run the graph for a call of `api`, and note how long it took."""
        began = time.perf_counter()
        tensors = self.graph.run(feeds, fetches, timeout_ms)
        self.latency.observe((time.perf_counter() - began) * 1e6, self.name, api, "TF1")
        return tensors


def read_definitions(entries: Iterable[bytes]) -> Any:
    """The SignatureDefMap of a meta graph's serialized entries."""
    data = b"".join(b"\x0a" + varint(len(entry)) + entry for entry in entries)
    return protos.SignatureDefMap.FromString(data)


def read_signatures(definitions: Any) -> dict[str, Signature]:
    """Each signature of a SignatureDefMap by its key."""
    return {
        key: Signature(
            key=key,
            method=definition.method_name,
            inputs={alias: info.name for alias, info in definition.inputs.items()},
            outputs={alias: info.name for alias, info in definition.outputs.items()},
            defaults={
                alias: parse_proto(value.SerializeToString())
                for alias, value in definition.defaults.items()
            },
            definition=definition,
        )
        for key, definition in definitions.signature_def.items()
    }
