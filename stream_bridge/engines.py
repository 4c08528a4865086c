"""What runs the pipeline, chosen by name in the config.

``local`` is Beam's in-process runner (FnApiRunner): nothing to install, at least once, one worker;
event-time windows fire only when the source ends.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner

from stream_bridge.pipeline import build
from stream_bridge.runtime import Runtime


def run_pipeline(runtime: Runtime) -> None:
    """Runs the bridge's pipeline to its end; raises what stopped it."""
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
    build(pipeline, runtime.name)
    try:
        with _summed_metrics():
            pipeline.run().wait_until_finish()
    except Exception as error:
        # Beam raises its own error with the original's text: the original says more.
        raise (runtime.failure or error) from error
    if runtime.failure is not None:
        raise runtime.failure


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
