"""docs/bridge.md: its config loads, and every key of the config stands in it."""

import re
from pathlib import Path

import pydantic
import yaml

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.kafka import KafkaSink, KafkaSource
from stream_bridge.config.mqtt import MqttSource
from stream_bridge.config.pubsub import PubSubSink, PubSubSource
from stream_bridge.config.sinks import JsonLinesSink, ParquetSink, PostgresSink, WebhookSink
from stream_bridge.config.sources import FileSource, TailSource
from stream_bridge.config.spooled import StdinSource, SyslogSource, TcpSource

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bridge.md"
# Elsewhere: the engines are in docs/operations.md, the sources are looked at by kind.
ELSEWHERE = {
    "engine",
    "source",
    "reader",
    "prism",
    "flink",
    "dataflow",
    "max_seconds",
    "stop_after",
}


def keys(model):
    found = set()
    for name, field in model.model_fields.items():
        if name in ELSEWHERE:
            continue
        found.add(name)
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
                found |= keys(kind)
    return found


def test_every_key_stands_on_the_page():
    words = set(re.findall(r"\w+", PAGE.read_text("utf-8")))
    wanted = keys(BridgeConfig)
    sinks = (JsonLinesSink, ParquetSink, PostgresSink, WebhookSink, KafkaSink, PubSubSink)
    files = (FileSource, TailSource, StdinSource, TcpSource, SyslogSource)
    for kind in (*sinks, *files, KafkaSource, MqttSource, PubSubSource):
        wanted |= keys(kind)
    assert wanted - words == set()


def test_the_configs_of_the_page_load(monkeypatch, tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    whole, syslog, mqtt, windows, tested = map(yaml.safe_load, blocks)
    sink = {"w": {"address": "jsonl:w", "take": "windows"}}
    config = BridgeConfig.model_validate(whole)
    assert config.sinks["pager"].take == "alerts"
    for source in (syslog, mqtt):
        BridgeConfig.model_validate({**whole, **source})
    BridgeConfig.model_validate(tested)
    BridgeConfig.model_validate(
        {
            **whole,
            **windows,
            "source": {"address": "file:x"},
            "sinks": {**whole["sinks"], **sink},
        }
    )
