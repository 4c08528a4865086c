"""The requests that a version is tried with before it serves."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from model_server.core.inference import run_classify, run_multi_inference, run_regress
from model_server.core.predict import predict
from model_server.crc32c import masked_crc32c
from model_server.errors import (
    DataLossError,
    InvalidArgumentError,
    StatusError,
    UnimplementedError,
)
from model_server.metrics import Metrics
from model_server.runtime import dtypes
from model_server.runtime.tensor import allocate
from model_server.servable import DEFAULT_SIGNATURE, Graph, Servable
from serving_client import protos

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000
PREPARE_MS = 60_000


@dataclass(frozen=True)
class WarmUp:
    """Runs each record `iterations` times (once for 0) on the version being loaded."""

    metrics: Metrics
    enabled: bool = True
    iterations: int = 1

    def run(self, servable: Servable, directory: Path, graph: Graph | None) -> None:
        """Do it, or `prepare` the bare `graph`, if given, where there is no file.

        Every failure of a record is a failure of the load.

        Raises:
            StatusError: the file or a record cannot be read, or a request fails.
        """
        file = directory / FILE
        if not self.enabled:
            return
        if not file.exists():
            if graph is not None:
                prepare(servable, graph)
            return
        began = time.perf_counter()
        status = "OK"
        try:
            for count, record in enumerate(read_records(file), start=1):
                if count > MAX_RECORDS:
                    raise InvalidArgumentError(
                        f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}"
                    )
                self.metrics.warmup_records.add(str(directory), "OK")
                log = _parse(record, file)
                for _ in range(max(self.iterations, 1)):
                    _replay(servable, log)
        except StatusError as error:
            status = error.code
            raise
        finally:
            self.metrics.warmup_latency.observe(
                (time.perf_counter() - began) * 1e6, str(directory), status
            )


def prepare(servable: Servable, graph: Graph) -> None:
    """Have TensorFlow optimise the default signature's graph before a request has to wait for it.

    It is run on no rows at all; whether that works does not matter, for the graph is ready by then.
    """
    signature = servable.signatures.get(DEFAULT_SIGNATURE)
    if signature is None or not signature.inputs:
        return
    feeds = []
    for alias, info in signature.definition.inputs.items():
        sizes = [dim.size for dim in info.tensor_shape.dim]
        dtype = dtypes.BY_ENUM.get(info.dtype)
        if dtype is None or info.tensor_shape.unknown_rank or not sizes or sizes[0] >= 0:
            return
        feeds.append(
            (signature.inputs[alias], allocate(dtype, (0, *[max(n, 1) for n in sizes[1:]])))
        )
    with contextlib.suppress(StatusError):
        graph.run(feeds, list(signature.outputs.values()), PREPARE_MS)


def _parse(record: bytes, file: Path) -> Any:
    try:
        return protos.PredictionLog.FromString(record)
    except DecodeError as error:
        raise InvalidArgumentError(
            f"Failed to parse warmup record: {record[:100]!r} from {file}"
        ) from error


def _replay(servable: Servable, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind is None:
        return
    request = getattr(log, kind).request if kind.endswith("_log") else None
    if kind == "predict_log":
        predict(servable, request)
    elif kind == "classify_log":
        run_classify(servable, request)
    elif kind == "regress_log":
        run_regress(servable, request)
    elif kind == "multi_inference_log":
        if request.tasks:
            run_multi_inference(servable, request)
    else:
        number = log.DESCRIPTOR.fields_by_name[kind].number
        raise UnimplementedError(f"Unsupported log_type for warmup: {number}")


def read_records(file: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, checksums verified.

    Raises:
        DataLossError: it is not a TFRecord file, or cut off.
    """
    hint = f"{file}: please verify that the warm-up file is an uncompressed TFRecord file"
    with file.open("rb") as stream:
        offset = 0
        while head := stream.read(12):
            length, crc = struct.unpack("<QI", head) if len(head) == 12 else (0, -1)
            if crc != masked_crc32c(head[:8]):
                raise DataLossError(f"corrupted record at {offset}; {hint}")
            body = stream.read(length)
            tail = stream.read(4)
            if len(tail) < 4 or struct.unpack("<I", tail)[0] != masked_crc32c(body):
                raise DataLossError(f"truncated or corrupted record at {offset}; {hint}")
            offset += 16 + length
            yield body
