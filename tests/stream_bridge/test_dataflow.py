"""A bridge as a Dataflow job: its graph is built here, its steps run in processes of their own."""

import json
import re
import socket
import subprocess
import sys
from types import SimpleNamespace

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
import yaml
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.utils.timestamp import Timestamp
from pydantic import ValidationError

from examples.services.process import ROOT, free_port, install, until
from stream_bridge.__main__ import main
from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.counters import told_by
from stream_bridge.dataflow.job import job_graph, job_options, steps_of
from stream_bridge.dataflow.reading import line_of_kafka
from stream_bridge.pipeline import build_for_workers

JOB = {
    "engine": "dataflow",
    "dataflow": {
        "project": "my-project",
        "region": "europe-west1",
        "temp_location": "gs://my-bucket/tmp",
        "image": "europe-docker.pkg.dev/my-project/livebert/bridge:1",
    },
    "state_dir": "state",
    "server": {"model": "events"},
    "source": {"address": "pubsub://my-project/events", "id_attribute": "id"},
    "format": {"kind": "json", "text": "{message}", "key": "host"},
    "sinks": {
        "table": {"address": "postgresql://bridge@db/events", "table": "predictions"},
        "dead": {"address": "jsonl:gs://my-bucket/dead.jsonl", "take": "dead_letters"},
    },
}


def config(**changes):
    return BridgeConfig.model_validate({**JOB, **changes})


def test_the_graph_holds_the_steps_and_nothing_of_this_process():
    graph = job_graph(
        config(
            windows={"length_seconds": 60, "out_of_order_seconds": 5},
            sinks={
                **JOB["sinks"],
                "windows": {"address": "parquet:gs://my-bucket/windows", "take": "windows"},
            },
        )
    )
    assert steps_of(graph) == [
        "Read lines",
        "Parse lines",
        "Score events",
        "Write outcomes",
        "At event time",
        "Windows",
        "Count too late",
        "Write windows",
        "Write sink dead",
        "Write sink windows",
    ]
    transforms = {each.unique_name: each for each in graph.components.transforms.values()}
    read = transforms["Read lines/Read from Pub/Sub/Read"]
    assert read.spec.urn == "beam:transform:pubsub_read:v1"
    payload = beam_runner_api_pb2.PubSubReadPayload.FromString(read.spec.payload)
    assert payload.subscription == "projects/my-project/subscriptions/events"
    assert payload.id_attribute == "id"
    lateness = {each.allowed_lateness for each in graph.components.windowing_strategies.values()}
    assert lateness == {0, 5000}
    [environment] = graph.components.environments.values()
    docker = beam_runner_api_pb2.DockerPayload.FromString(environment.payload)
    assert docker.container_image == JOB["dataflow"]["image"]


# What a worker does with a step of the graph: unpickles it, opens it, works, closes it.
WORKER = """
import json, sys
from apache_beam.internal import pickler
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp

graph = beam_runner_api_pb2.Pipeline.FromString(sys.stdin.buffer.read())
steps = {}
for each in graph.components.transforms.values():
    if each.spec.urn == "beam:transform:pardo:v1":
        payload = beam_runner_api_pb2.ParDoPayload.FromString(each.spec.payload)
        steps[each.unique_name] = pickler.loads(payload.do_fn.payload)[0]
print(json.dumps(sorted(steps)))
read, parse, score = (
    steps[name] for name in ("Read lines/Messages to lines", "Parse lines", "Score events")
)
from apache_beam.io.gcp.pubsub import PubsubMessage
for step in (read, parse, score):
    step.setup()
    step.start_bundle()
messages = [
    PubsubMessage(b'{"message": "good", "host": "a"}', {"id": "1"}, "m1"),
    PubsubMessage(b'{"message": "poison", "host": "b"}', {"id": "2"}, "m2"),
]
for message in messages:
    assert not list(read.process(message, Timestamp(7), GlobalWindow()))
[lines] = read.finish_bundle()
[events] = parse.process(lines.value)
found = list(score.process(events, Timestamp(7), GlobalWindow()))
found += [outcome for bundle in score.finish_bundle() for outcome in bundle.value]
for step in (read, parse, score):
    step.teardown()
for outcome in found:
    print(outcome.to_json().decode())
"""


def test_its_steps_load_and_work_in_another_process(server):
    graph = job_graph(config(server={"address": server.address, "model": "m"}))
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        input=graph.SerializeToString(),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    names, *outcomes = map(json.loads, done.stdout.splitlines())
    assert {"Parse lines", "Score events", "Write outcomes"} <= set(names)
    good, poison = outcomes
    assert (good["event_id"], good["key"], good["version"]) == ("1", "a", 1)
    assert (poison["code"], poison["event"]["event_id"]) == ("INVALID_ARGUMENT", "2")


def test_workers_read_score_and_write(server, tmp_path):
    """The very graph of a job, on workers that are processes of this machine."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").write_text(f"{name} good\n{name} bad\n\n{name} poison\n")
    it = BridgeConfig.model_validate(
        {
            "state_dir": "not used",
            "server": {"address": server.address, "model": "m"},
            "source": {"address": f"file:{tmp_path}/*.log"},
            "windows": {"length_seconds": 10_000_000_000},
            "sinks": {
                "all": {"address": f"jsonl:{tmp_path}/out/all.jsonl"},
                "table": {"address": f"parquet:{tmp_path}/table"},
                "dead": {
                    "address": f"jsonl:{tmp_path}/out/dead.jsonl",
                    "take": "dead_letters",
                },
                "sums": {"address": f"parquet:{tmp_path}/sums", "take": "windows"},
            },
        }
    )
    options = PipelineOptions(["--direct_running_mode=multi_processing", "--direct_num_workers=1"])
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=options)
    build_for_workers(pipeline, it)
    result = pipeline.run()
    result.wait_until_finish()
    written = [
        json.loads(line)
        for path in (tmp_path / "out").glob("all-*.jsonl")
        for line in path.read_text().splitlines()
    ]
    ids = sorted(each["event_id"] for each in written)
    assert ids == [f"{tmp_path}/{name}.log:{at}" for name in "ab" for at in (0, 7)]
    assert pq.read_table(tmp_path / "table").num_rows == 4
    [dead] = (tmp_path / "out").glob("dead-*.jsonl")
    assert len(dead.read_text().splitlines()) == 2
    assert pq.read_table(tmp_path / "sums").to_pylist()[0]["events"] == 4
    counted = told_by(result)
    assert (counted["read"], counted["predicted"], counted["dead"]) == (8, 4, 2)
    assert (counted["skipped"], counted["alerts"], counted["windows"]) == (2, 2, 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"source": {"address": "tail:/var/log/app.log"}}, "workers read pubsub://"),
        ({"source": {"address": "file:/var/log/app.log"}}, "write file:gs://"),
        ({"source": {"address": "kafka://b:9092/t"}}, "reader: java"),
        (
            {"sinks": {**JOB["sinks"], "dead": {"address": "jsonl:d", "take": "dead_letters"}}},
            "sinks.dead.address",
        ),
        ({"max_seconds": 5}, "max_seconds"),
        ({"monitoring": {"address": "127.0.0.1:0"}}, "monitoring.address"),
        ({"dataflow": {"temp_location": "gs://b/tmp"}}, "gs://BUCKET"),
        ({"dataflow": {"options": ["num_workers=2"]}}, "--NAME=VALUE"),
    ],
)
def test_what_workers_cannot_do_is_named(changes, told):
    with pytest.raises(ValidationError, match=told):
        config(**changes)


def test_java_reads_kafka_only_where_beam_runs_java():
    with pytest.raises(ValidationError, match="engines flink and dataflow"):
        config(engine="local", source={"address": "kafka://b:9092/t", "reader": "java"})


def test_secrets_stay_in_files_where_java_reads():
    it = config(
        source={
            "address": "kafka://b:9092/t",
            "reader": "java",
            "start": "latest",
            "tls": {"ca_file": "/etc/ca.pem"},
            "sasl": {
                "mechanism": "SCRAM-SHA-512",
                "username": "bridge",
                "password_file": "/run/secrets/kafka",
            },
        }
    )
    options = it.source.java_options()
    assert options["security.protocol"] == "SASL_SSL"
    assert options["auto.offset.reset"] == "latest"
    assert "${directory:/run/secrets:kafka}" in options["sasl.jaas.config"]
    assert options["config.providers"] == "directory"


def test_the_config_of_the_page_makes_a_graph():
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    [text] = re.findall(r"```yaml\n(engine: dataflow\n.*?)```", page, re.DOTALL)
    graph = job_graph(BridgeConfig.model_validate(yaml.safe_load(text)))
    assert steps_of(graph)[-1] == "Write sink dead"


def test_what_the_launcher_says_wins():
    launcher = ["--project=other-project", "--region=asia-east1", "--job_name=mine"]
    options = job_options(config(), [*launcher, "--temp_location=gs://other/tmp"])
    cloud = options.view_as(GoogleCloudOptions)
    assert (cloud.project, cloud.region, cloud.job_name) == ("other-project", "asia-east1", "mine")
    assert cloud.temp_location == "gs://other/tmp"
    assert options.view_as(StandardOptions).streaming
    assert options.view_as(WorkerOptions).sdk_container_image == JOB["dataflow"]["image"]
    ends = job_options(config(source={"address": "file:gs://my-bucket/*.log"}))
    assert not ends.view_as(StandardOptions).streaming


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_beams_java_kafka_is_in_the_graph(tmp_path):
    install("kafka_io")
    port = free_port()
    service = "org.apache.beam.sdk.expansion.service.ExpansionService"
    with (tmp_path / "log").open("wb") as log:
        java = subprocess.Popen(
            ["java", "-Xmx512m", "-cp", f"{ROOT}/.tools/kafka_io/lib/*", service, str(port)],
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: listens(port))
        graph = job_graph(
            config(
                source={"address": "kafka://broker:9092/events", "reader": "java", "group": "g"},
                dataflow={**JOB["dataflow"], "expansion_service": f"127.0.0.1:{port}"},
            )
        )
    finally:
        java.kill()
        java.wait()
    assert steps_of(graph)[0] == "Read lines"
    names = {each.unique_name for each in graph.components.transforms.values()}
    assert any(name.startswith("Read lines/Read from Kafka/") for name in names)
    assert "Read lines/Messages to lines" in names
    read = [each.spec.payload for each in graph.components.transforms.values()]
    assert any(b"broker:9092" in payload for payload in read)


def test_a_message_of_kafka_is_a_line():
    header = SimpleNamespace(key="trace", value=b"7")
    message = SimpleNamespace(
        topic="events",
        partition=2,
        offset=9,
        timestamp=5,
        key=b"k",
        value=b"text",
        headers=[header],
    )
    line = line_of_kafka(3, message, Timestamp(0))
    assert (line.position, line.key, line.attributes) == ("events/2/9", "k", {"trace": "7"})
    assert (line.data, line.truncated, line.arrived) == (b"tex", True, 5000)


def test_the_check_looks_at_server_and_graph(server, tmp_path, capsys):
    file = tmp_path / "bridge.yaml"
    it = {**JOB, "server": {"address": server.address, "model": "m"}}
    file.write_text(json.dumps({**it, "source": {"address": "file:gs://my-bucket/*.log"}}))
    assert main(["check", "--config", str(file)]) == 0
    said = capsys.readouterr().out
    assert "model m version 1 is there" in said
    assert "job bridge-m was built, and not submitted" in said


def test_a_dry_run_says_the_steps(tmp_path, capsys):
    file = tmp_path / "bridge.yaml"
    file.write_text(json.dumps(JOB))
    assert main(["run", "--config", str(file), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("steps: Read lines, Parse lines, Score events, Write outcomes")
    assert "job bridge-events was built, and not submitted" in said
    bad = ["--set", 'dataflow.options=["--num_workers=many"]']
    assert main(["run", "--config", str(file), "--dry-run", *bad]) == 2
    assert "dataflow.options: argument --num_workers" in capsys.readouterr().err
    assert main(["run", "--config", str(file), "--dry-run", "--set", "dataflow.region=null"]) == 2
    assert "dataflow.region: this key is missing" in capsys.readouterr().err
