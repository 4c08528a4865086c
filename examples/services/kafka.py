"""Apache Kafka: one node with KRaft."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from examples.services.process import ROOT, Service, free_port, install


class Kafka(Service):
    """A broker with KRaft, one node.

    Args:
      folder: where it keeps its files.
      port: what it listens on; None takes a free one.
      tls: certificate and key (PEM) of a second listener, encrypted, that asks for `user`.
      user: a name and a password.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        tls: tuple[Path, Path] | None = None,
        user: tuple[str, str] = ("bridge", "secret"),
    ):
        super().__init__(folder, port)
        self._tls, self._user = tls, user
        self._secure = free_port()
        install("kafka")
        [self._lib] = (ROOT / ".tools" / "kafka").glob("*/lib")
        self._controller = free_port()
        self._admin: AdminClient | None = None

    def _java(self, *args: str) -> list[str]:
        flags = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return ["java", *flags, "-cp", f"{self._lib}/*", *args]

    def command(self) -> Sequence[str]:
        """Java with the broker; its storage is formatted on first use."""
        file = self.folder / "server.properties"
        if not file.exists():
            text = _PROPERTIES.format(
                port=self.port, controller=self._controller, folder=self.folder
            )
            file.write_text(text if self._tls is None else self._secured(text))
            form = ("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c")
            subprocess.run(  # noqa: S603 - Kafka's own tool
                self._java(*form, str(file)), check=True, capture_output=True
            )
        return self._java("kafka.Kafka", str(file))

    @property
    def secure_address(self) -> str:
        """``host:port`` of the encrypted listener."""
        return f"127.0.0.1:{self._secure}"

    def _secured(self, text: str) -> str:
        certificate, key = self._tls
        store = self.folder / "store.pem"
        store.write_text(key.read_text() + certificate.read_text())
        name, password = self._user
        for setting in ("listeners", "advertised.listeners"):
            text = text.replace(f"\n{setting}=", f"\n{setting}=SASL_SSL://{self.secure_address},")
        text = text.replace("protocol.map=", "protocol.map=SASL_SSL:SASL_SSL,")
        return f"""{text}ssl.keystore.type=PEM
ssl.keystore.location={store}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_{name}="{password}";
"""

    def ready(self) -> bool:
        """Whether it tells of itself as a broker."""
        if not super().ready():
            return False
        self._admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            return bool(self._admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def topic(self, name: str, partitions: int = 1, **config: str) -> str:
        """Makes a topic, unless an earlier run has left it there; returns its address."""
        config = {key.replace("_", "."): value for key, value in config.items()}
        made = self._admin.create_topics([NewTopic(name, partitions, 1, config=config)])
        try:
            made[name].result(30)
        except KafkaException as error:
            # Also what an answer that came too late, and was asked for again, says.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise AssertionError(f"{self.address}: {error.args[0].str()}") from error
        return f"kafka://{self.address}/{name}"

    def add_partitions(self, name: str, total: int) -> None:
        """Gives a topic more partitions."""
        self._admin.create_partitions([NewPartitions(name, total)])[name].result(30)

    def send(self, topic: str, values: Iterable[Any], **message: Any) -> None:
        """Sends messages: values, or ``(key, value)``."""
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 5})
        for value in values:
            key, value = value if isinstance(value, tuple) else (None, value)
            while True:
                try:
                    producer.produce(topic, value, key, **message)
                    break
                except BufferError:
                    producer.poll(0.1)
        if producer.flush(60):
            raise AssertionError(f"{self.address} does not take messages")

    def messages(self, topic: str, isolation: str = "read_committed") -> list[Any]:
        """All that the topic holds."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "look",
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        found, open_ones = [], set(partitions)
        while open_ones:
            for message in consumer.consume(10_000, 0.2):
                if message.error():
                    open_ones.discard(message.partition())
                else:
                    found.append(message)
        consumer.close()
        return found

    def offsets(self, group: str, topic: str) -> dict[int, int]:
        """What a group has committed."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": group})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        found = consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=10)
        consumer.close()
        return {part.partition: part.offset for part in found}


_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
# Events may be older than a week, and are not deleted while one looks at them.
log.retention.ms=-1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
auto.create.topics.enable=false
"""
