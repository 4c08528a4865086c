"""A table of Google BigQuery as a sink."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, field_validator

from stream_bridge.config.routing import Routed

_ADDRESS = re.compile(r"bigquery://[a-z][a-z0-9:.-]*/\w+/[\w-]+")


class BigQuerySink(Routed):
    """``bigquery://PROJECT/DATASET/TABLE``, through the Storage Write API.

    Attributes:
      write: ``append`` adds rows, through a stream with offsets: what is tried again is not stored
        twice, what comes again after a restart is, with the same event id; ``upsert`` keeps one
        row an event (BigQuery's change data capture, by the table's primary key).
      partition_by: a column of times; a table that is made is partitioned by its days.
      credentials_file: key file of a service account; None takes the application default
        credentials.
      endpoint: of the REST API, which makes and checks the table; with ``http://`` it is an
        emulator, and asked without credentials.
      write_endpoint: ``HOST:PORT`` of the gRPC API, which writes.
      timeout_seconds: how long one attempt may take.
    """

    write: Literal["append", "upsert"] = "append"
    partition_by: str | None = None
    credentials_file: Path | None = None
    endpoint: str = "https://bigquery.googleapis.com"
    write_endpoint: str = "bigquerystorage.googleapis.com:443"
    timeout_seconds: PositiveFloat = 30.0

    @field_validator("address")
    @classmethod
    def _complete(cls, address: str) -> str:
        if not _ADDRESS.fullmatch(address):
            raise ValueError("write bigquery://PROJECT/DATASET/TABLE")
        return address

    @property
    def names(self) -> tuple[str, str, str]:
        """Project, dataset and table."""
        project, dataset, table = self.address.removeprefix("bigquery://").split("/")
        return project, dataset, table

    @property
    def emulated(self) -> bool:
        """An emulator, without TLS and credentials."""
        return self.endpoint.startswith("http://")
