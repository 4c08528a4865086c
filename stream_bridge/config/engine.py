"""What runs the pipeline, beside the in-process engine."""

from __future__ import annotations

from pathlib import Path

from pydantic import PositiveFloat, PositiveInt, field_validator

from stream_bridge.config.base import Frozen


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
    """

    job_server_jar: Path = Path(".tools/flink/job-server.jar")
    master: str = "[local]"
    checkpoint_seconds: PositiveFloat = 2.0
    bundle_milliseconds: PositiveInt = 100

    @field_validator("master")
    @classmethod
    def _reachable(cls, master: str) -> str:
        host, _, port = master.rpartition(":")
        if master != "[local]" and not (host and port.isdigit()):
            raise ValueError("write HOST:PORT of a cluster's REST endpoint, or [local]")
        return master
