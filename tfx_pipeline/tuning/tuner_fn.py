"""The Tuner's entry point: what a trial is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from tfx.components.tuner.component import TunerFnResult

from tfx_pipeline import features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.training.cross_validation import main_metric
from tfx_pipeline.training.fine_tuning import fingerprint
from tfx_pipeline.training.material import Material, validate
from tfx_pipeline.training.run_fn import best_shift
from tfx_pipeline.tuning.pruning import TrialWatch
from tfx_pipeline.tuning.search import Search


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """Return the search over the config's `tuning` (TFX's `tuner_fn`)."""
    material = Material.read(fn_args)
    metric = features.MAIN_METRIC[material.config.task]

    def run(config: PipelineConfig, folder: Path, watch: TrialWatch) -> float:
        return trial(material.with_config(config), folder, watch)

    return TunerFnResult(Search(material.config, metric, _folder(fn_args, material), run), {})


def trial(material: Material, folder: Path, watch: TrialWatch) -> float:
    """Train as the Trainer would; return the task's main figure on the held-out events."""
    config = material.config
    # The graphs of the trial before.
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.training.seed)
    tuning = material.fine_tuning(folder if config.training.checkpoints else None)
    scored = validate(tuning, material, watch).scored
    if config.task == "token":
        _, scored = best_shift(material.labels, scored)
    return float(main_metric(tuning, scored))


def _folder(fn_args: Any, material: Material) -> Path:
    """Return where an interrupted search left its state: it may be given more trials and time."""
    config = material.config
    budget = config.tuning.model_copy(update={"trials": 1, "minutes": 1.0})
    name = fingerprint(
        config.model_copy(update={"tuning": budget}), material.train_files + material.eval_files
    )
    return Path(fn_args.transform_graph_path).parents[2] / "tuning" / name
