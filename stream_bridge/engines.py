"""What runs the pipeline, chosen by name in the config.

====== ============== ============================ =================================================
engine needs          windows fire                 after a failure
====== ============== ============================ =================================================
local  nothing        when the source ends         the bridge starts it again, from the position
prism  one Go binary  while the stream flows       the same; open windows are lost
flink  Java, a jar    while the stream flows       Flink, from its checkpoint, windows included
====== ============== ============================ =================================================

On all three (Dataflow is another matter, see `stream_bridge.dataflow`) the steps run in this
process, one bundle after the other, at least once: the local engine is Beam's FnApiRunner, the
others are told to call back (``LOOPBACK``).
"""

from __future__ import annotations

import inspect
import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner
from apache_beam.runners.portability.portable_runner import PipelineResult, PortableRunner
from apache_beam.runners.runner import PipelineState
from apache_beam.runners.worker.statesampler import StateSampler

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.counters import told_by
from stream_bridge.errors import FINAL, Abandoned, EngineError
from stream_bridge.job_server import job_server
from stream_bridge.pipeline import build
from stream_bridge.runtime import Runtime

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
_SAMPLING_MS = 10


def run_pipeline(runtime: Runtime) -> None:
    """Runs the bridge's pipeline to its end; raises what stopped it."""
    try:
        with _prompt_samplers():
            if runtime.config.engine == "local":
                _run_here(runtime)
            else:
                _run_beside(runtime)
    except Exception as error:
        # Beam raises its own error with the original's text: the original says more.
        raise (runtime.failure or error) from error
    if runtime.failure is not None:
        raise runtime.failure


def _run_here(runtime: Runtime) -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
    build(pipeline, runtime.name)
    with _summed_metrics():
        result = pipeline.run()
        result.wait_until_finish()
    _note_counts(runtime, result)


def _run_beside(runtime: Runtime) -> None:
    threading.excepthook = _note_lost_engine
    with job_server(runtime.config) as server:
        options = PipelineOptions(
            ["--environment_type=LOOPBACK", "--streaming", f"--job_endpoint={server.address}"]
        )
        if runtime.config.engine == "flink":
            _ask_flink(options.view_as(_FlinkOptions), runtime.config)
        pipeline = beam.Pipeline(runner=PortableRunner(), options=options)
        build(pipeline, runtime.name)
        result = pipeline.run()
        try:
            _wait(runtime, result)
        finally:
            _note_counts(runtime, result)
        runtime.commit_read()


def _note_lost_engine(args: threading.ExceptHookArgs) -> None:
    """Threads of Beam's worker that lose the engine at its end say so in the log only.

    They notice it some time after the engine has gone, so this hook stays.
    """
    if isinstance(args.exc_value, grpc.RpcError):
        _LOG.info("a worker lost the engine: %s", args.exc_value)
    else:
        threading.__excepthook__(args)


def _note_counts(runtime: Runtime, result: PipelineResult) -> None:
    try:
        runtime.engine_counts = told_by(result)
    except Exception as error:
        # They are shown, and decide nothing.
        _LOG.warning("%s does not tell its metrics: %s", runtime.config.engine, error)


def _wait(runtime: Runtime, result: PipelineResult) -> None:
    """Waits until all was read and written; raises what stops that."""
    while not PipelineState.is_terminal(result.state):
        ended = runtime.ended.wait(_LOOK_SECONDS)
        if runtime.draining.is_set() and runtime.config.java_reads:
            ended = True  # it cannot be told to stop; what it has not committed is read again
        hopeless = isinstance(runtime.failure, FINAL)
        if ended or hopeless or runtime.abandon.is_set():
            result.cancel()
            if not ended:
                raise runtime.failure or Abandoned("the drain ran out of time")
            return
    result.wait_until_finish()  # raises what the engine says of a failure
    if result.state != PipelineState.DONE:
        raise EngineError(f"{runtime.config.engine} ended the pipeline: {result.state}")


class _FlinkOptions(PipelineOptions):
    """Options of Beam's Flink runner that Beam's Python side does not know by itself."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        for name in ("checkpointing_interval", "max_bundle_time_mills", "execution_retry_delay"):
            parser.add_argument(f"--{name}", type=int)
        parser.add_argument("--number_of_execution_retries", type=int)
        parser.add_argument("--finish_bundle_before_checkpointing", action="store_true")
        for name in ("state_backend", "state_backend_storage_path"):
            parser.add_argument(f"--{name}")


def _ask_flink(options: _FlinkOptions, config: BridgeConfig) -> None:
    flink = config.flink
    options.view_as(FlinkRunnerOptions).parallelism = 1
    options.checkpointing_interval = round(flink.checkpoint_seconds * 1000)
    # Without these two the source may never start.
    options.finish_bundle_before_checkpointing = True
    options.max_bundle_time_mills = flink.bundle_milliseconds
    # Checkpoints in memory are full after half a minute.
    options.state_backend = "filesystem"
    checkpoints = (config.state_dir / "flink").resolve()
    if flink.master == "[local]":
        # No mini-cluster outlives its bridge, and none reads another's.
        shutil.rmtree(checkpoints, ignore_errors=True)
    options.state_backend_storage_path = checkpoints.as_uri()
    options.number_of_execution_retries = config.failure.restarts
    options.execution_retry_delay = 1000


@contextmanager
def _prompt_samplers() -> Iterator[None]:
    """Beam's sampler of states looks every 10 ms instead of every 200.

    The end of a bundle waits for its next look, and the next lines wait for that.
    """
    defaults = StateSampler.__init__.__defaults__
    StateSampler.__init__.__defaults__ = (_SAMPLING_MS,)
    try:
        yield
    finally:
        StateSampler.__init__.__defaults__ = defaults


@contextmanager
def _summed_metrics() -> Iterator[None]:
    """Sums Beam's metrics after each bundle instead of at the end of the run.

    Beam 2.77 wraps one generator around another per bundle and never reads them: 50 kB a bundle,
    which a stream that runs for a day has not got.
    """
    lazy = fn_runner.consolidate_monitoring_infos
    if not inspect.isgeneratorfunction(lazy):
        yield
        return
    fn_runner.consolidate_monitoring_infos = lambda infos: list(lazy(infos))
    try:
        yield
    finally:
        fn_runner.consolidate_monitoring_infos = lazy
