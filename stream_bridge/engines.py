"""What runs the pipeline, chosen by name in the config.

``local`` is Beam's in-process runner (FnApiRunner): nothing to install, at least once, one worker;
event-time windows fire only when the source ends.
"""

from __future__ import annotations

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from stream_bridge.pipeline import build
from stream_bridge.runtime import Runtime


def run_pipeline(runtime: Runtime) -> None:
    """Runs the bridge's pipeline to its end; raises what stopped it."""
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
    build(pipeline, runtime.name)
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        # Beam raises its own error with the original's text: the original says more.
        raise (runtime.failure or error) from error
    if runtime.failure is not None:
        raise runtime.failure
