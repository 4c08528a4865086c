"""One bridge: from one source, through one model, to its sinks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, PositiveInt, field_validator, model_validator

from stream_bridge.config.base import Frozen
from stream_bridge.config.dataflow import check_for_dataflow
from stream_bridge.config.engine import DataflowConfig, FlinkConfig, PrismConfig
from stream_bridge.config.format import FormatConfig, LimitsConfig
from stream_bridge.config.kafka import KafkaSource
from stream_bridge.config.memory import MemorySource
from stream_bridge.config.monitoring import MonitoringConfig
from stream_bridge.config.rules import RuleConfig
from stream_bridge.config.scoring import (
    AlertConfig,
    BatchingConfig,
    CacheConfig,
    FailureConfig,
    ReviewConfig,
    ShadowConfig,
)
from stream_bridge.config.server import ServerConfig
from stream_bridge.config.sinks import SinkConfig
from stream_bridge.config.sources import (
    DeadLettersSource,
    FileSource,
    SourceConfig,
    StdinSource,
)
from stream_bridge.config.windows import WindowsConfig
from stream_bridge.rules import Failures, Rules
from stream_bridge.sinks.routing import Route


class BridgeConfig(Frozen):
    """One bridge: from one source, through one model, to its sinks.

    Attributes:
      engine: what runs the pipeline; ``local`` is Beam's in-process runner.
      prism: where Prism is.
      flink: how Flink is used.
      dataflow: where the job runs, and on what.
      state_dir: where positions, spool and status live; one bridge at a time uses it.
      server: the model.
      source: where lines come from.
      format: how a line becomes an event.
      sinks: where results go, by name.
      batching: how events are put together into calls.
      cache: answers that are kept.
      alert: when an event is an alert.
      rules: what drops an event, overrides the model or asks a person.
      review: which predictions a person should look at.
      shadow: a second model beside the first.
      windows: what is summed up per key over event time.
      failure: what happens when something does not work.
      limits: sizes beyond which a line is a dead letter.
      monitoring: an HTTP endpoint for Prometheus and health checks.
      max_seconds: stop, and drain, after this time; None runs on.
      stop_after: stop, and drain, after reading this many lines; None reads on.
    """

    engine: Literal["local", "prism", "flink", "dataflow"] = "local"
    prism: PrismConfig = PrismConfig()
    flink: FlinkConfig = FlinkConfig()
    dataflow: DataflowConfig = DataflowConfig()
    state_dir: Path
    server: ServerConfig
    source: SourceConfig
    format: FormatConfig = FormatConfig()
    sinks: dict[str, SinkConfig]
    batching: BatchingConfig = BatchingConfig()
    cache: CacheConfig = CacheConfig()
    alert: AlertConfig = AlertConfig()
    rules: tuple[RuleConfig, ...] = ()
    review: ReviewConfig = ReviewConfig()
    shadow: ShadowConfig | None = None
    windows: WindowsConfig | None = None
    failure: FailureConfig = FailureConfig()
    limits: LimitsConfig = LimitsConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    max_seconds: PositiveFloat | None = None
    stop_after: PositiveInt | None = None

    @field_validator("sinks")
    @classmethod
    def _nothing_falls_through(cls, sinks: dict[str, SinkConfig]) -> dict[str, SinkConfig]:
        for needed in ("predictions", "dead_letters"):
            if not any(sink.take == needed for sink in sinks.values()):
                raise ValueError(f"no sink takes {needed}, so they would be lost")
        places = [(sink.address, getattr(sink, "table", None)) for sink in sinks.values()]
        if len(set(places)) != len(places):
            raise ValueError("two sinks have the same address")
        return sinks

    @model_validator(mode="after")
    def _windows_fire(self) -> BridgeConfig:
        taking = [name for name, sink in self.sinks.items() if sink.take == "windows"]
        if self.windows is None:
            if taking:
                raise ValueError(
                    f"sink {taking[0]!r} takes windows, and the key 'windows' is not there"
                )
            return self
        if not taking:
            raise ValueError("windows: no sink takes windows, so they would be lost")
        ends = isinstance(self.source, FileSource | StdinSource | DeadLettersSource | MemorySource)
        if self.engine == "local" and not ends:
            raise ValueError(
                "windows: the local engine fires windows only when the source ends, and this one "
                "does not; choose another engine, or leave the windows out"
            )
        return self

    @property
    def java_reads(self) -> bool:
        """Beam's KafkaIO reads, and keeps the position; the bridge has no source of its own."""
        return isinstance(self.source, KafkaSource) and self.source.reader == "java"

    @model_validator(mode="after")
    def _fits_its_engine(self) -> BridgeConfig:
        if self.java_reads and self.engine not in ("flink", "dataflow"):
            raise ValueError("source.reader: java is for the engines flink and dataflow")
        if self.engine == "dataflow":
            check_for_dataflow(self)
        return self

    @model_validator(mode="after")
    def _rules_compile(self) -> BridgeConfig:
        Rules(self.rules, self.alert.score, Failures())
        for name, sink in self.sinks.items():
            Route(name, sink, self.alert.score, Failures())
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("two rules have the same name")
        return self
