"""BatchingParameters: how runs are joined."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server.config_files import read_text_proto
from model_server.errors import InvalidArgumentError, StartError
from serving_client import protos

PER_MODEL_FILE = "batching_params.pbtxt"


@dataclass(frozen=True)
class BatchingParameters:
    """How runs are joined; the names and defaults are TF Serving's.

    Sizes are rows (dimension 0). `threads` runs go on at once for each loaded version.
    """

    max_batch_size: int = 1000
    batch_timeout_seconds: float = 0.0
    max_enqueued_batches: int = 10
    threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    split_large_batches: bool = False
    max_execution_batch_size: int = 1000

    def __post_init__(self) -> None:
        """Refuse what TF Serving refuses.

        Raises:
            InvalidArgumentError: a setting is out of its range.
        """
        for name, value in (
            ("num_batch_threads", self.threads),
            ("input_batch_size_limit", self.max_batch_size),
            ("max_enqueued_batches", self.max_enqueued_batches),
            ("max_execution_batch_size", self.max_execution_batch_size),
        ):
            if value <= 0:
                raise InvalidArgumentError(f"{name} must be positive; was {value}")
        if self.batch_timeout_seconds < 0:
            micros = round(self.batch_timeout_seconds * 1e6)
            raise InvalidArgumentError(f"batch_timeout_micros must be non-negative; was {micros}")
        sizes = self.allowed_batch_sizes
        if sizes and list(sizes) != sorted(set(sizes)):
            raise InvalidArgumentError(
                "allowed_batch_sizes entries must be monotonically increasing"
            )
        largest = self.max_execution_batch_size if self.split_large_batches else self.max_batch_size
        if sizes and sizes[-1] != largest:
            raise InvalidArgumentError(
                "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
                f"{sizes[-1]}; expected {largest}"
            )

    @property
    def batch_size(self) -> int:
        """The largest batch that is run."""
        return self.max_execution_batch_size if self.split_large_batches else self.max_batch_size

    def padded(self, rows: int) -> int:
        """The allowed batch size that takes `rows`."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


@dataclass(frozen=True)
class Batching:
    """Which versions are batched, and how: all alike, or each by the file in its directory."""

    shared: BatchingParameters
    per_model: bool = False

    def parameters(self, directory: Path) -> BatchingParameters | None:
        """For the version in `directory`; None means that it is not batched.

        Raises:
            InvalidArgumentError: its file says something impossible.
        """
        if not self.per_model:
            return self.shared
        file = directory / PER_MODEL_FILE
        if not file.exists():
            return None
        try:
            return read_parameters(str(file), threads=self.shared.threads)
        except StartError as error:
            raise InvalidArgumentError(str(error)) from error


def read_parameters(path: str, threads: int | None = None) -> BatchingParameters:
    """The parameters in a text proto; `threads` overrides what it says.

    Raises:
        StartError: the file cannot be read.
        InvalidArgumentError: it says something impossible.
    """
    message = read_text_proto(path, protos.BatchingParameters())

    def value(name: str, default: Any) -> Any:
        return getattr(message, name).value if message.HasField(name) else default

    defaults = BatchingParameters()
    max_batch_size = value("max_batch_size", defaults.max_batch_size)
    return BatchingParameters(
        max_batch_size=max_batch_size,
        batch_timeout_seconds=value("batch_timeout_micros", 0) / 1e6,
        max_enqueued_batches=value("max_enqueued_batches", defaults.max_enqueued_batches),
        threads=threads or value("num_batch_threads", defaults.threads),
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length_inputs=message.pad_variable_length_inputs,
        split_large_batches=value("enable_large_batch_splitting", False),
        max_execution_batch_size=value("max_execution_batch_size", max_batch_size),
    )
