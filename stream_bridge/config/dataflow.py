"""What a config may ask for where the steps run on workers of other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_bridge.config.kafka import KafkaSource
from stream_bridge.config.memory import MemorySink
from stream_bridge.config.pubsub import PubSubSource
from stream_bridge.config.sinks import SinkConfig, written_as_files
from stream_bridge.config.sources import FileSource

if TYPE_CHECKING:
    from stream_bridge.config.bridge import BridgeConfig


def check_for_dataflow(config: BridgeConfig) -> None:
    """Raises ValueError, naming the key, where workers cannot do what the config says."""
    source = config.source
    if isinstance(source, KafkaSource):
        if source.reader != "java":
            raise ValueError(
                "source.reader: workers read Kafka with Beam's own KafkaIO, so write reader: java"
            )
    elif isinstance(source, FileSource):
        if not _in_a_bucket(source.address):
            raise ValueError(
                "source.address: workers do not see this machine's files, "
                "write file:gs://BUCKET/PATTERN"
            )
    elif not isinstance(source, PubSubSource):
        raise ValueError(
            "source.address: workers read pubsub://, kafka:// and file:gs://BUCKET/PATTERN"
        )
    for name, sink in config.sinks.items():
        _check_sink(name, sink)
    for key in ("stop_after", "max_seconds"):
        if getattr(config, key) is not None:
            raise ValueError(f"{key}: a Dataflow job runs until it is drained or cancelled")
    if config.monitoring.address is not None:
        raise ValueError("monitoring.address: Dataflow shows the metrics of its jobs itself")


def _check_sink(name: str, sink: SinkConfig) -> None:
    if isinstance(sink, MemorySink) or (written_as_files(sink) and not _in_a_bucket(sink.address)):
        raise ValueError(
            f"sinks.{name}.address: workers have no disk that stays, "
            "write jsonl:gs://BUCKET/NAME.jsonl or parquet:gs://BUCKET/DIRECTORY"
        )


def _in_a_bucket(address: str) -> bool:
    return "://" in address.partition(":")[2]
