"""Apache Kafka: how a cluster is reached, and the topic as a source and as a sink."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, field_validator, model_validator

from stream_bridge.config.base import BrokerKeptSource, Frozen
from stream_bridge.config.routing import Routed
from stream_bridge.config.tls import ClientTls
from stream_bridge.timestamps import time_reader

# What the bridge's guarantees rest on; overriding one of these would quietly take them away.
_OURS = frozenset(
    [
        "bootstrap.servers",
        "group.id",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "isolation.level",
        "enable.idempotence",
        "transactional.id",
        "acks",
        "auto.offset.reset",
    ]
)


class KafkaSasl(Frozen):
    """How this client says who it is.

    Attributes:
      mechanism: what the brokers ask for.
      username: the user.
      password_file: a file that holds the password, so that it stands in no config.
    """

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    username: str
    password_file: Path


class KafkaTopic(Frozen):
    """``kafka://HOST:PORT[,HOST:PORT]/TOPIC``.

    Attributes:
      tls: encryption; None is plain text.
      sasl: authentication; None is none.
      options: further options of librdkafka, by its names (of Java's client where that reads).
    """

    address: str
    tls: ClientTls | None = None
    sasl: KafkaSasl | None = None
    options: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("address")
    @classmethod
    def _complete(cls, address: str) -> str:
        brokers, _, topic = address.removeprefix("kafka://").partition("/")
        ports = [broker.rpartition(":") for broker in brokers.split(",")]
        if not topic or not all(host and port.isdigit() for host, _, port in ports):
            raise ValueError(
                "write kafka://HOST:PORT/TOPIC, for instance kafka://127.0.0.1:9092/events"
            )
        return address

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: dict[str, str]) -> dict[str, str]:
        for name in options:
            if name in _OURS:
                raise ValueError(f"{name} is set by the bridge, its guarantees rest on it")
        return options

    @property
    def brokers(self) -> str:
        """The brokers, ``HOST:PORT[,…]``."""
        return self.address.removeprefix("kafka://").partition("/")[0]

    @property
    def topic(self) -> str:
        """The topic."""
        return self.address.removeprefix("kafka://").partition("/")[2]

    def client_options(self) -> dict[str, Any]:
        """Options of a librdkafka client. Raises OSError where the password cannot be read."""
        options: dict[str, Any] = {"bootstrap.servers": self.brokers}
        protocol = "ssl" if self.tls else "plaintext"
        for name, file in (
            ("ssl.ca.location", self.tls and self.tls.ca_file),
            ("ssl.certificate.location", self.tls and self.tls.cert_file),
            ("ssl.key.location", self.tls and self.tls.key_file),
        ):
            if file:
                options[name] = str(file)
        if self.sasl:
            protocol = f"sasl_{protocol}"
            options["sasl.mechanism"] = self.sasl.mechanism
            options["sasl.username"] = self.sasl.username
            options["sasl.password"] = self.sasl.password_file.read_text("utf-8").strip()
        return {**options, "security.protocol": protocol, **self.options}

    def java_options(self) -> dict[str, str]:
        """Options of a client in Java; its secrets stay in their files, where it runs."""
        options = {"bootstrap.servers": self.brokers}
        tls, sasl, protocol = self.tls, self.sasl, "PLAINTEXT"
        if tls is not None:
            protocol = "SSL"
            if tls.ca_file is not None:
                options["ssl.truststore.type"] = "PEM"
                options["ssl.truststore.location"] = str(tls.ca_file)
            if tls.cert_file is not None and tls.key_file is not None:
                options["ssl.keystore.type"] = "PEM"
                options["ssl.keystore.certificate.chain"] = _java_content(tls.cert_file)
                options["ssl.keystore.key"] = _java_content(tls.key_file)
        if sasl is not None:
            protocol = f"SASL_{protocol}"
            login = "plain.PlainLoginModule"
            if sasl.mechanism != "PLAIN":
                login = "scram.ScramLoginModule"
            options["sasl.mechanism"] = sasl.mechanism
            options["sasl.jaas.config"] = (
                f"org.apache.kafka.common.security.{login} required "
                f'username="{sasl.username}" password="{_java_content(sasl.password_file)}";'
            )
        if tls is not None or sasl is not None:
            options["config.providers"] = "directory"
            options["config.providers.directory.class"] = (
                "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
            )
        return {**options, "security.protocol": protocol, **self.options}


def _java_content(file: Path) -> str:
    return f"${{directory:{file.parent}:{file.name}}}"


class KafkaSource(KafkaTopic, BrokerKeptSource):
    """A topic as the source; the group's offsets, kept by Kafka, are the position.

    Attributes:
      group: the consumer group. Bridges of one group share the partitions (local engine).
      start: where a partition begins that the group has no offset of: ``earliest``, ``latest``,
        or a time (ISO 8601).
      isolation: ``read_committed`` leaves out what aborted transactions wrote.
      until_end: stop when all partitions were read to their end as it is then.
      discover_seconds: how often to look for new partitions.
      reader: ``librdkafka`` needs no JVM; ``java`` is Beam's own KafkaIO, on Flink and Dataflow.
      session_seconds: after this long without a sign of life, a bridge's partitions go to others.
    """

    group: str = Field(default="stream-bridge", min_length=1)
    start: str = "earliest"
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"
    until_end: bool = False
    discover_seconds: PositiveFloat = 10.0
    reader: Literal["librdkafka", "java"] = "librdkafka"
    session_seconds: float = Field(default=10.0, ge=6)

    @model_validator(mode="after")
    def _start_is_known(self) -> KafkaSource:
        if self.start not in ("earliest", "latest"):
            try:
                self.start_ms()
            except (ValueError, TypeError):
                raise ValueError("start: write earliest, latest or a time (ISO 8601)") from None
        return self

    def java_options(self) -> dict[str, str]:
        """Options of a consumer in Java."""
        return {
            **super().java_options(),
            "group.id": self.group,
            "auto.offset.reset": "latest" if self.start == "latest" else "earliest",
            "isolation.level": self.isolation,
            "enable.auto.commit": "false",
        }

    def start_ms(self) -> int | None:
        """``start`` as milliseconds since the epoch; None where it is no time."""
        if self.start in ("earliest", "latest"):
            return None
        return time_reader("iso", "UTC")(self.start) // 1000


class KafkaSink(KafkaTopic, Routed):
    """``kafka://HOST:PORT[,HOST:PORT]/TOPIC``: one message per outcome, keyed by event key or id.

    Attributes:
      transactional: results and the source's offsets in one transaction, so that readers with
        ``read_committed`` see each event once; ``auto`` does so where the source is Kafka and
        the engine is local, else the producer is idempotent and the guarantee at least once.
      transaction_seconds: after this long the broker aborts what a dead bridge left open.
    """

    transactional: Literal["auto", "never"] = "auto"
    transaction_seconds: PositiveFloat = 60.0
