"""Running the pipeline on this machine, one run at a time, with the noise in a file."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.dataset.foreign import check_spans
from tfx_pipeline.dataset.spans import span_numbers
from tfx_pipeline.errors import ConfigError, DataError, RunFailedError, RunInProgressError
from tfx_pipeline.model.encoder import find_encoder
from tfx_pipeline.screen import noise_into

if TYPE_CHECKING:
    from tfx_pipeline.outcome import Outcome

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}


@dataclass(frozen=True)
class Run:
    """A finished local run: its id, its log, and what it came to."""

    run_id: str
    log: Path
    outcome: Outcome
    seconds: float


def run_local(config: PipelineConfig, until: str | None = None) -> Run:
    """Run every component here with TFX's LocalDagRunner, or those up to the one named `until`.

    Raises:
        ConfigError: nothing can be pushed to `serving.base_path`.
        DataError: there is no span to train on, or it is not one the task can use.
        EncoderError: the encoder's files are not there, or not the pinned ones.
        RunInProgressError: another run uses this pipeline root.
        RunFailedError: a component raised.
    """
    if not span_numbers(config.spans_path):
        raise DataError(
            f"{config.spans_path}: no spans; run `tfx-pipeline import` with the same config first"
        )
    check_spans(config)
    find_encoder(config.encoder)
    config.root.mkdir(parents=True, exist_ok=True)
    run_id = f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:6]}"
    log = config.root / "logs" / f"{run_id}.log"
    log.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    with _alone(config.root), noise_into(log) as screen:
        narrator = _Narrator(screen)
        narrator.say(f"everything TFX says: {log}")
        narrator.say("loading TensorFlow and TFX")
        try:
            outcome = _run(config, narrator, until)
        except ConfigError:
            raise
        except Exception as error:
            logging.getLogger(__name__).exception("the run failed")
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise RunFailedError(
                f"{narrator.component or 'the pipeline'} failed: {reason[-1][:300]}; see {log}"
            ) from error
        finally:
            narrator.finish()
    return Run(run_id, log, outcome, time.monotonic() - started)


def _run(config: PipelineConfig, narrator: _Narrator, until: str | None) -> Outcome:
    os.environ.update(_QUIET)
    import absl.logging
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline

    from tfx_pipeline import pipeline, versions
    from tfx_pipeline.lineage import recorded_runs
    from tfx_pipeline.outcome import read_outcome

    # What is loaded stays: a collector that looks through it each time takes seconds of a run.
    gc.freeze()
    absl.logging.set_verbosity(absl.logging.INFO)
    narrator.listen()
    versions.check_base(config.push_path)
    components = pipeline.build(config, until=until)
    LocalDagRunner().run(
        Pipeline(
            pipeline_name=config.name,
            pipeline_root=str(config.root.absolute()),
            components=components,
            enable_cache=True,
            metadata_connection_config=sqlite_metadata_connection_config(
                str(config.metadata.absolute())
            ),
            beam_pipeline_args=list(pipeline.BEAM_ARGUMENTS),
        )
    )
    return read_outcome(recorded_runs(config.metadata)[0])


class _Narrator(logging.Handler):
    """Says on the screen which component runs, how long each took, and our own progress."""

    def __init__(self, screen: TextIO) -> None:
        super().__init__(logging.INFO)
        self._screen = screen
        self._started = time.monotonic()
        self._component_started = self._started
        self.component: str | None = None

    def listen(self) -> None:
        """Hear absl's `Component X is running.` and the lines of `tfx_pipeline.progress`."""
        for name in ("absl", "tfx_pipeline.progress"):
            logger = logging.getLogger(name)
            logger.setLevel(logging.INFO)
            logger.addHandler(self)

    def finish(self) -> None:
        """Stop hearing."""
        for name in ("absl", "tfx_pipeline.progress"):
            logging.getLogger(name).removeHandler(self)

    def say(self, text: str) -> None:
        """Print one line with the seconds since the start."""
        print(f"[{time.monotonic() - self._started:6.1f} s] {text}", file=self._screen, flush=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Print what concerns a person; drop the rest, it is in the log file."""
        if record.name == "tfx_pipeline.progress":
            self.say(record.getMessage())
        elif record.msg == "Component %s is running.":
            self.component = str(record.args[0]) if record.args else None
            self._component_started = time.monotonic()
            self.say(f"{self.component} …")
        elif record.msg == "Component %s is finished.":
            self.say(f"{self.component} done in {time.monotonic() - self._component_started:.1f} s")


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the root's lock for the length of the run."""
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunInProgressError(
                f"{root}: another run is in progress here; wait for it, or set pipeline_root"
            ) from error
        yield
