from __future__ import annotations

import fcntl
import logging
import shutil

import pytest

from tfx_pipeline import runners
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.dataset.spans import SUMMARY
from tfx_pipeline.errors import DataError, EncoderError, RunFailedError, RunInProgressError


@pytest.fixture
def config(tmp_path):
    span = tmp_path / "data" / "m" / "span-1"
    span.mkdir(parents=True)
    (span / SUMMARY).write_text("{}")  # so it counts as one of our own
    return PipelineConfig.model_validate(
        {
            "name": "m",
            "task": "anomaly",
            "pipeline_root": str(tmp_path / "pipelines"),
            "data": {"root": str(tmp_path / "data")},
        }
    )


def test_a_second_run_in_one_root_is_refused(config):
    config.root.mkdir(parents=True)
    with (config.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunInProgressError, match="another run is in progress"):
            runners.run_local(config)


def test_a_run_needs_a_span(config):
    shutil.rmtree(config.spans_path / "span-1")
    with pytest.raises(DataError, match="run `tfx-pipeline import`"):
        runners.run_local(config)


def test_a_run_needs_its_encoder_before_anything_else(config):
    encoder = config.encoder.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(EncoderError, match="expected 0000"):
        runners.run_local(config.model_copy(update={"encoder": encoder}))
    assert not config.root.exists()


def test_a_failed_run_leaves_the_next_one_in_the_same_process_alone(config, monkeypatch):
    def fails(_, narrator, __):
        narrator.listen()
        raise ValueError("no luck")

    monkeypatch.setattr(runners, "find_encoder", lambda _: None)
    monkeypatch.setattr(runners, "_run", fails)
    for _ in range(2):
        with pytest.raises(RunFailedError, match="the pipeline failed: no luck"):
            runners.run_local(config)
        # The screen that the first run's lines went to is closed.
        logging.getLogger("tfx_pipeline.progress").info("epoch 1")
    assert not logging.getLogger("tfx_pipeline.progress").handlers
