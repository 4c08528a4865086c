"""The bridge's configuration: one frozen value, checked on birth.

Durations carry ``_seconds`` in their names and sizes ``_bytes``. Sources and sinks are chosen by
their address: ``tail:/var/log/app.log``, ``tcp://127.0.0.1:9000``, ``jsonl:out/predictions.jsonl``.
Paths are relative to the working directory. `stream_bridge.config_file` reads one from YAML.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    field_validator,
    model_validator,
)

from stream_bridge.config_base import Frozen, scheme_of
from stream_bridge.config_sources import SourceConfig
from stream_bridge.parsing.header import compile_header
from stream_bridge.template import compile_template
from stream_bridge.timestamps import time_reader


class ServerConfig(Frozen):
    """Which model answers, and where.

    Attributes:
      address: ``host:port`` of the gRPC API of TF Serving or of model_server.
      model: the model's name.
      version: a fixed version; None follows the latest.
      label: a version label such as ``stable``; not together with ``version``.
      signature: the signature to call.
      input: the signature's text input; None where it has only one.
      outputs: outputs to fetch; empty fetches all.
      timeout_seconds: deadline of one call.
      probe_text: a text the model can score; sent to tell a bad event from a bad server.
    """

    address: str = "127.0.0.1:8500"
    model: str
    version: int | None = Field(default=None, ge=0)
    label: str | None = None
    signature: str = "serving_default"
    input: str | None = None
    outputs: tuple[str, ...] = ()
    timeout_seconds: PositiveFloat = 30.0
    probe_text: str = "ok"

    @model_validator(mode="after")
    def _one_choice(self) -> ServerConfig:
        if self.version is not None and self.label is not None:
            raise ValueError("give version or label, not both")
        return self


class TimeConfig(Frozen):
    """Where the event time stands.

    Attributes:
      field: the field that holds it.
      format: ``iso``, ``unix`` (seconds), ``unix_ms``, ``unix_us`` or a strptime pattern.
      zone: the zone of times that do not say their own.
    """

    field: str
    format: str = "iso"
    zone: str = "UTC"

    @model_validator(mode="after")
    def _known(self) -> TimeConfig:
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {self.zone!r}") from None
        time_reader(self.format, self.zone)
        return self


class FormatConfig(Frozen):
    """How a line becomes an event.

    Attributes:
      kind: ``lines`` (one field, ``line``), ``json`` (its keys; dotted paths reach inside) or
        ``header`` (the names of ``header``).
      header: loghub-style format such as ``<Date> <Time> <Level> <Content>``; the last field
        takes the rest of the line.
      text: template of the model's input, for instance ``{service} {severity} {message}``;
        default: the whole line, or the header's last field.
      id: field of the event id; default: the source position.
      time: where the event time stands; default: when the line was read.
      key: field of the key.
      attributes: fields that travel with the prediction.
      encoding: of the bytes.
      undecodable: what a line gets that is not in that encoding.
    """

    kind: Literal["lines", "json", "header"] = "lines"
    header: str | None = None
    text: str | None = None
    id: str | None = None
    time: TimeConfig | None = None
    key: str | None = None
    attributes: tuple[str, ...] = ()
    encoding: str = "utf-8"
    undecodable: Literal["dead_letter", "replace"] = "dead_letter"

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            raise ValueError(f"there is no encoding {encoding!r}") from None
        return encoding

    @field_validator("text")
    @classmethod
    def _good_template(cls, text: str | None) -> str | None:
        if text is not None:
            compile_template(text)
        return text

    @model_validator(mode="after")
    def _complete(self) -> FormatConfig:
        if self.kind == "header":
            if self.header is None:
                raise ValueError("kind 'header' needs the key 'header'")
            compile_header(self.header)
        elif self.header is not None:
            raise ValueError("the key 'header' goes with kind 'header'")
        if self.kind == "json" and self.text is None:
            raise ValueError("kind 'json' needs the key 'text', for instance '{message}'")
        return self


class BatchingConfig(Frozen):
    """How events are put together into calls.

    Attributes:
      max_events: events in one call.
      max_bytes: bytes of text in one call.
      wait_seconds: how long the first event of a batch waits for company.
      in_flight: calls that may be open at once.
      sort_events: how many events are sorted by length together before they are cut into calls.
      commit_seconds: how often positions are committed while events keep coming.
    """

    max_events: PositiveInt = 32
    max_bytes: PositiveInt = 1 << 20
    wait_seconds: float = Field(default=0.02, ge=0)
    in_flight: PositiveInt = 2
    sort_events: PositiveInt = 128
    commit_seconds: PositiveFloat = 0.5


class CacheConfig(Frozen):
    """Answers that are kept, by model version and text as the model cleans it.

    Attributes:
      enabled: off asks the model for every event.
      max_entries: texts that are kept; the longest unused go first.
      refresh_seconds: how often one event is asked although it is known, to notice a new version.
    """

    enabled: bool = True
    max_entries: PositiveInt = 20_000
    refresh_seconds: float = Field(default=1.0, ge=0)


class AlertConfig(Frozen):
    """When an event is an alert.

    Attributes:
      threshold: alert when the output ``score`` is at least this; None: the model's own label.
      score: the output that is compared with ``threshold``.
      label: the label that means alert where there is no threshold.
    """

    threshold: float | None = None
    score: str = "score"
    label: str = "anomaly"


class FailureConfig(Frozen):
    """What happens when something does not work.

    Attributes:
      attempts: failures in a row of one call before asking, with a text that worked, whether it
        is the server or the event.
      backoff_seconds: first wait between attempts; doubles up to ``max_backoff_seconds``.
      max_backoff_seconds: longest wait between attempts.
      max_wait_seconds: how long to wait for a server or sink that is away before giving up
        (nothing is lost: the position stays); None waits for ever.
      drain_seconds: how long a stopping bridge works on what it has read.
      restarts: how often a failed pipeline is started again without progress in between.
    """

    attempts: PositiveInt = 4
    backoff_seconds: PositiveFloat = 0.1
    max_backoff_seconds: PositiveFloat = 5.0
    max_wait_seconds: PositiveFloat | None = None
    drain_seconds: PositiveFloat = 10.0
    restarts: int = Field(default=3, ge=0)


class MonitoringConfig(Frozen):
    """An HTTP endpoint with `/metrics` (Prometheus) and `/healthz`.

    Attributes:
      address: ``HOST:PORT`` to listen on; port 0 takes a free one; None listens nowhere.
    """

    address: str | None = None

    @field_validator("address")
    @classmethod
    def _has_port(cls, address: str | None) -> str | None:
        if address is not None and not address.rpartition(":")[2].isdigit():
            raise ValueError("write HOST:PORT, for instance 127.0.0.1:9464")
        return address


class LimitsConfig(Frozen):
    """Sizes beyond which a line is a dead letter.

    Attributes:
      max_line_bytes: longest line.
    """

    max_line_bytes: PositiveInt = 1 << 20


class JsonLinesSink(Frozen):
    """``jsonl:PATH``: JSON lines, appended; each batch is on disk before its position moves.

    Attributes:
      take: ``predictions`` (all of them), ``alerts`` or ``dead_letters``.
    """

    address: str
    take: Literal["predictions", "alerts", "dead_letters"]

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.address.partition(":")[2])


SinkConfig = Annotated[
    Annotated[JsonLinesSink, Tag("jsonl")],
    Discriminator(
        scheme_of,
        custom_error_type="sink_address",
        custom_error_message="address must start with jsonl:",
    ),
]


class BridgeConfig(Frozen):
    """One bridge: from one source, through one model, to its sinks.

    Attributes:
      engine: what runs the pipeline; ``local`` is Beam's in-process runner.
      state_dir: where positions, spool and status live; one bridge at a time uses it.
      server: the model.
      source: where lines come from.
      format: how a line becomes an event.
      sinks: where results go, by name.
      batching: how events are put together into calls.
      cache: answers that are kept.
      alert: when an event is an alert.
      failure: what happens when something does not work.
      limits: sizes beyond which a line is a dead letter.
      monitoring: an HTTP endpoint for Prometheus and health checks.
      max_seconds: stop, and drain, after this time; None runs on.
      stop_after: stop, and drain, after reading this many lines; None reads on.
    """

    engine: Literal["local"] = "local"
    state_dir: Path
    server: ServerConfig
    source: SourceConfig
    format: FormatConfig = FormatConfig()
    sinks: dict[str, SinkConfig]
    batching: BatchingConfig = BatchingConfig()
    cache: CacheConfig = CacheConfig()
    alert: AlertConfig = AlertConfig()
    failure: FailureConfig = FailureConfig()
    limits: LimitsConfig = LimitsConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    max_seconds: PositiveFloat | None = None
    stop_after: PositiveInt | None = None

    @field_validator("sinks")
    @classmethod
    def _nothing_falls_through(cls, sinks: dict[str, JsonLinesSink]) -> dict[str, JsonLinesSink]:
        for needed in ("predictions", "dead_letters"):
            if not any(sink.take == needed for sink in sinks.values()):
                raise ValueError(f"no sink takes {needed}, so they would be lost")
        places = [sink.address for sink in sinks.values()]
        if len(set(places)) != len(places):
            raise ValueError("two sinks have the same address")
        return sinks
