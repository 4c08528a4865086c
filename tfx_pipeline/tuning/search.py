"""The search: one trial after the other until the trials, the space or the minutes are spent."""

from __future__ import annotations

import logging
import math
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_tuner.engine import base_tuner
from keras_tuner.errors import FailedTrialError

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.errors import DataError
from tfx_pipeline.progress import log
from tfx_pipeline.show import value_text
from tfx_pipeline.tuning.pruning import BehindError, OutOfTimeError, TrialWatch
from tfx_pipeline.tuning.space import build_oracle, value_of

# From a config, a folder for the state of the training and a watch to the figure of the trial.
Evaluate = Callable[[PipelineConfig, Path, TrialWatch], float]

_TRAINING = "training"


class Search(base_tuner.BaseTuner):
    """KerasTuner's loop over `tuning.parameters`, its state in `directory` after each trial.

    A search that is started again there goes on, in the trial that was not done with its last
    whole epoch or fold. `records` are the trials so far, each a dict of JSON values: `trial`
    (from 1), `values` by key, `status`, `score` (None for a trial without), `curve` (the figure
    after each epoch or fold) and `seconds`.
    """

    def __init__(self, config: PipelineConfig, metric: str, directory: Path, run: Evaluate) -> None:
        self.records: list[dict[str, Any]] = []
        self._config = config
        self._metric = metric
        self._run = run
        self._begun = time.monotonic()
        self._earlier = 0.0
        oracle = build_oracle(config, metric)
        oracle.verbose = 0
        oracle.time_left = self._time_left
        super().__init__(oracle, directory=str(directory.parent), project_name=directory.name)
        if self.records:
            log.info("  %d trials were done before", len(self.records))

    @property
    def seconds(self) -> float:
        """The time spent so far, before an interruption too."""
        return self._earlier + time.monotonic() - self._begun

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Train with a trial's values and return its figure."""
        folder = Path(self.get_trial_dir(trial.trial_id)) / _TRAINING
        record = self._record(dict(trial.hyperparameters.values), folder)
        self.records.append(record)
        shutil.rmtree(folder, ignore_errors=True)
        log.info("  %s", said(record, self._metric))
        if record["score"] is None:
            raise FailedTrialError(record["status"])
        return {self._metric: record["score"]}

    def on_trial_end(self, trial: Any) -> None:
        """Keep what came of a trial.

        Raises:
            DataError: three in a row have no figure: the others would hardly have one.
        """
        try:
            super().on_trial_end(trial)
        except RuntimeError as error:
            why = self.records[-1]["status"]
            raise DataError(f"three trials in a row have no figure; the last {why}") from error

    def _record(self, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        number = len(self.records) + 1
        shown = ", ".join(f"{key} {value_text(value)}" for key, value in values.items())
        log.info("  trial %d: %s", number, shown)
        record = {"trial": number, "values": values, "status": "complete", "score": None}
        watch = self._watch()
        began = time.monotonic()
        try:
            config = self._config.with_values(values)
            # As the config has them: a number where the choice was written as "1e-5".
            record["values"] = {key: value_of(config, key) for key in values}
            record["score"] = self._run(config, folder, watch)
        except BehindError:
            record |= {"status": "pruned", "score": max(watch.curve)}
        except OutOfTimeError:
            record["status"] = "out of time"
        except Exception as error:
            logging.getLogger(__name__).exception("trial %d failed", number)
            record["status"] = f"failed: {' '.join(str(error).split())[:200]}"
        if record["score"] is not None and not math.isfinite(record["score"]):
            why = f"failed: {self._metric} cannot be measured on the held-out events"
            record |= {"status": why, "score": None}
        return record | {"curve": watch.curve, "seconds": round(time.monotonic() - began, 1)}

    def _watch(self) -> TrialWatch:
        judged = [record for record in self.records if record["score"] is not None]
        curves = [record["curve"] for record in judged] if self._config.tuning.prune else []
        # Without one trial there would be nothing to train with.
        left = self._config.tuning.minutes * 60 - self.seconds
        return TrialWatch(curves, time.monotonic() + left if judged else None)

    def _time_left(self) -> bool:
        """Say whether one more trial would end in time, if it took as long as the others."""
        if not self.records:
            return True
        took = statistics.median(record["seconds"] for record in self.records)
        return self.seconds + took <= self._config.tuning.minutes * 60

    def get_state(self) -> dict[str, Any]:
        """Return what is kept beside KerasTuner's own state."""
        return {"records": self.records, "seconds": self.seconds}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what was kept."""
        self.records, self._earlier = state["records"], state["seconds"]


def said(record: dict[str, Any], metric: str) -> str:
    """Return a trial in a line."""
    figure = "" if record["score"] is None else f", {metric} {record['score']:.4f}"
    return f"trial {record['trial']} {record['status']}{figure} in {record['seconds']:.0f} s"
