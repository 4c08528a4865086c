"""Real brokers as processes, for tests and benchmarks; requirements/services brings them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "requirements" / "services"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def until(condition: Callable[[], Any], seconds: float = 40.0, what: str = "it") -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)
    return found


def install(name: str) -> None:
    """Makes a service startable; does nothing where it already is."""
    subprocess.run(["bash", str(SERVICES / f"{name}.sh")], check=True, stdout=subprocess.DEVNULL)


class Service(ABC):
    """A process that can be killed and started again, on the same port and with its files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command that starts it, and does not return while it runs."""

    def ready(self) -> bool:
        """Whether it answers."""
        with socket.socket() as sock:
            sock.settimeout(0.2)
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def environment(self) -> dict[str, str]:
        return {}

    def start(self) -> Service:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                start_new_session=True,
            )
        until(self._is_up, 90, f"{self.address} of {self.folder}")
        return self

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"it ended: {(self.folder / 'log').read_text()[-2000:]}")
        return self.ready()

    def kill(self) -> None:
        """SIGKILL for it and what it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self) -> Service:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()


class Kafka(Service):
    """A broker with KRaft, one node."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        install("kafka")
        [self._lib] = (ROOT / ".tools" / "kafka").glob("*/lib")
        self._controller = free_port()
        self._admin: AdminClient | None = None

    def _java(self, *args: str) -> list[str]:
        flags = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return ["java", *flags, "-cp", f"{self._lib}/*", *args]

    def command(self) -> Sequence[str]:
        file = self.folder / "server.properties"
        if not file.exists():
            file.write_text(_PROPERTIES.format(
                port=self.port, controller=self._controller, folder=self.folder
            ))  # fmt: skip
            form = ("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c")
            subprocess.run(self._java(*form, str(file)), check=True, stdout=subprocess.DEVNULL)
        return self._java("kafka.Kafka", str(file))

    def ready(self) -> bool:
        if not super().ready():
            return False
        self._admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            return bool(self._admin.list_topics(timeout=1).brokers)
        except Exception:
            return False

    def topic(self, name: str, partitions: int = 1, **config: str) -> str:
        """Makes a topic; returns its address."""
        config = {key.replace("_", "."): value for key, value in config.items()}
        made = self._admin.create_topics([NewTopic(name, partitions, 1, config=config)])
        made[name].result(30)
        return f"kafka://{self.address}/{name}"

    def add_partitions(self, name: str, total: int) -> None:
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
        assert producer.flush(60) == 0

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
