"""What runs the pipeline, beside the in-process engine."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt, field_validator

from stream_bridge.config.base import Frozen

_BUCKET = re.compile(r"gs://[a-z0-9][-_.a-z0-9]{1,61}[a-z0-9](/|$)")


class PrismConfig(Frozen):
    """Prism, Beam's runner for one machine: windows fire while the stream flows.

    Attributes:
      binary: the program; `requirements/services/prism.sh` brings it.
    """

    binary: Path = Path(".tools/prism/prism")


class FlinkConfig(Frozen):
    """Apache Flink, through Beam's job server; the bridge's own process does the work.

    Attributes:
      job_server_jar: Beam's job server for the Flink version in use.
      master: ``[local]`` starts a mini-cluster in the job server; else ``HOST:PORT``, the REST
        endpoint of a cluster whose task managers run on this machine.
      checkpoint_seconds: how often Flink makes a checkpoint; positions are committed after one.
      bundle_milliseconds: how long Flink collects a bundle.
      expansion_service: as in `DataflowConfig`, for a Kafka source with ``reader: java``.
    """

    job_server_jar: Path = Path(".tools/flink/job-server.jar")
    master: str = "[local]"
    checkpoint_seconds: PositiveFloat = 2.0
    bundle_milliseconds: PositiveInt = 100
    expansion_service: str | None = None

    @field_validator("master")
    @classmethod
    def _reachable(cls, master: str) -> str:
        host, _, port = master.rpartition(":")
        if master != "[local]" and not (host and port.isdigit()):
            raise ValueError("write HOST:PORT of a cluster's REST endpoint, or [local]")
        return master


class DataflowConfig(Frozen):
    """Google Cloud Dataflow: the steps run on workers that open connections of their own.

    What a Flex Template's launcher says (project, region, bucket, job name) wins over these.

    Attributes:
      project: the Google Cloud project that the job runs in.
      region: where, for instance ``europe-west1``.
      temp_location: ``gs://BUCKET/PATH`` for what Dataflow keeps while it runs.
      image: of the workers, with this package in it; `deploy/dataflow/Dockerfile` makes one.
      job_name: one running job of a name; None makes one of ``bridge`` and the model's name.
      service_account: whom the workers act as.
      machine_type: of the workers.
      max_workers: how far Dataflow may scale.
      threads: bundles that one worker process works on at once, each with connections and a
        cache of its own.
      expansion_service: what adds Beam's Java KafkaIO to the graph: ``HOST:PORT`` of one that
        runs, or a jar; None lets Beam fetch its own jar and start it with Java.
      options: further options of Beam's Dataflow runner, such as ``--subnetwork=…``.
    """

    project: str | None = None
    region: str | None = None
    temp_location: str | None = None
    image: str | None = None
    job_name: str | None = None
    service_account: str | None = None
    machine_type: str | None = None
    max_workers: PositiveInt | None = None
    threads: PositiveInt = 4
    expansion_service: str | None = None
    options: tuple[str, ...] = ()

    @field_validator("temp_location")
    @classmethod
    def _a_bucket(cls, location: str | None) -> str | None:
        # Beam would quietly make a bucket of its own in the place of one that cannot be.
        if location is not None and not _BUCKET.match(location):
            raise ValueError("write gs://BUCKET/PATH, for instance gs://my-bucket/tmp")
        return location

    @field_validator("options")
    @classmethod
    def _flags(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if not option.startswith("--"):
                raise ValueError(f"write {option!r} as --NAME=VALUE")
        return options
