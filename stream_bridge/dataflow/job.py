"""A bridge as a Dataflow job: its options, its graph, its submission.

Workers know the config and nothing else: it travels with each step (`stream_bridge.places.Worker`).
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    TestOptions,
)
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.sources import FileSource
from stream_bridge.errors import ConfigError, EngineError, ServerAway
from stream_bridge.pipeline import build_for_workers
from stream_bridge.server_check import check_server


def job_options(config: BridgeConfig, launcher: Sequence[str] = ()) -> PipelineOptions:
    """The options of a bridge's job; what the launcher says wins. Raises ConfigError."""
    dataflow = config.dataflow
    flags = ["--runner=DataflowRunner", "--no_save_main_session"]
    for name, value in (
        ("project", dataflow.project),
        ("region", dataflow.region),
        ("temp_location", dataflow.temp_location),
        ("sdk_container_image", dataflow.image),
        ("job_name", dataflow.job_name or _job_name(config)),
        ("service_account_email", dataflow.service_account),
        ("machine_type", dataflow.machine_type),
        ("max_num_workers", dataflow.max_workers),
        ("number_of_worker_harness_threads", dataflow.threads),
    ):
        if value is not None:
            flags.append(f"--{name}={value}")
    if dataflow.image is not None:
        # The image holds this package and all it needs: nothing is staged, nothing installed.
        flags.append("--sdk_location=container")
    if not isinstance(config.source, FileSource):
        flags += ["--streaming", "--enable_streaming_engine"]
    options = _parsed([*flags, *dataflow.options, *launcher])
    cloud = options.view_as(GoogleCloudOptions)
    for name in ("project", "region", "temp_location"):
        if not getattr(cloud, name):
            raise ConfigError(f"dataflow.{name}: this key is missing; a job needs it")
    return options


def _parsed(flags: Sequence[str]) -> PipelineOptions:
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            options = PipelineOptions(flags)
            options.get_all_options()
    except SystemExit as error:
        # argparse's way to say what is wrong.
        problem = told.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise ConfigError(f"dataflow.options: {problem}") from error
    return options


def _job_name(config: BridgeConfig) -> str:
    return re.sub("[^a-z0-9]+", "-", f"bridge-{config.server.model}".lower()).strip("-")


def run_job(
    config: BridgeConfig,
    *,
    dry_run: bool = False,
    launcher: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> int:
    """Hands a bridge to Dataflow, which runs it from then on; or only builds its graph.

    Args:
      config: the bridge.
      dry_run: the graph is built and checked, and nothing is sent anywhere.
      launcher: options of a Flex Template's launcher, which win over the config's.
      say: gets lines for people.

    Returns 0. Raises ConfigError where the options do not fit, MismatchError where the server does
    not, EngineError where Dataflow refuses the job.
    """
    options = job_options(config, launcher)
    options.view_as(TestOptions).dry_run = dry_run
    if not dry_run:
        _check_server(config, say)
    runner, result = _made(config, options)
    say(f"steps: {', '.join(steps_of(runner.proto_pipeline))}")
    cloud = options.view_as(GoogleCloudOptions)
    if dry_run:
        say(f"job {cloud.job_name} was built, and not submitted")
        return 0
    job = result.job_id()
    say(f"job {cloud.job_name} is submitted: {job}")
    say(
        f"https://console.cloud.google.com/dataflow/jobs/{cloud.region}/{job}?project={cloud.project}"
    )
    return 0


def job_graph(config: BridgeConfig, launcher: Sequence[str] = ()) -> beam_runner_api_pb2.Pipeline:
    """The graph that would be submitted; raises ConfigError or EngineError."""
    options = job_options(config, launcher)
    options.view_as(TestOptions).dry_run = True
    runner, _ = _made(config, options)
    return runner.proto_pipeline


def _check_server(config: BridgeConfig, say: Callable[[str], None]) -> None:
    try:
        lines = check_server(config)
    except ServerAway as error:
        # Workers may reach a network that this machine does not; they wait for the server.
        say(f"not checked from here: {error}")
    else:
        for line in lines:
            say(line)


def _made(config: BridgeConfig, options: PipelineOptions) -> tuple[DataflowRunner, Any]:
    runner = DataflowRunner()
    try:
        pipeline = beam.Pipeline(runner=runner, options=options)
    except ValueError as error:
        problem = " ".join(str(error).removeprefix("Pipeline has validations errors:").split())
        raise ConfigError(f"dataflow: {problem}") from error
    try:
        build_for_workers(pipeline, config)
        return runner, pipeline.run()
    except Exception as error:
        raise EngineError(f"dataflow: the job was not made: {error!s:.300}") from error


def steps_of(graph: beam_runner_api_pb2.Pipeline) -> list[str]:
    """The names of the bridge's own steps, in the order they were added; none inside another."""
    transforms = graph.components.transforms
    roots = [transforms[each] for root in graph.root_transform_ids for each in _inside(graph, root)]
    return [each.unique_name for each in roots]


def _inside(graph: beam_runner_api_pb2.Pipeline, name: str) -> Sequence[str]:
    """What Beam's own root holds."""
    transform = graph.components.transforms[name]
    unnamed = not transform.spec.urn and not transform.inputs
    return transform.subtransforms if unnamed else [name]
