"""TFX's Tuner, whose results hold every trial and not only what was best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tfx import components
from tfx.components.tuner import executor as tfx_tuner
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils

from tfx_pipeline.errors import DataError
from tfx_pipeline.tuning import TRIALS


class Executor(tfx_tuner.Executor):
    """TFX's executor, with the trials in a file beside its `tuner_results.json`."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Search, and write the best values and all trials.

        Raises:
            DataError: no trial has a figure.
        """
        search = tfx_tuner.search(
            input_dict, exec_properties, self._get_tmp_dir(), print_tuning_summary=False
        )
        judged = [record for record in search.records if record["score"] is not None]
        if not judged:
            raise DataError(f"no trial has a figure; the first: {search.records[0]['status']}")
        tfx_tuner.write_best_hyperparameters(search, output_dict)
        found = {
            "metric": search.oracle.objective.name,
            "best": max(judged, key=lambda record: record["score"])["trial"],
            "seconds": round(search.seconds),
            "trials": search.records,
        }
        folder = Path(artifact_utils.get_single_uri(output_dict["tuner_results"]))
        (folder / TRIALS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


class Tuner(components.Tuner):
    """TFX's Tuner with the executor above."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
