"""The Scorecard component: what a person reads of a candidate, and whether it is blessed.

The candidate and the last blessed model answer the events of the test split as a server would;
their figures stand beside trivial baselines, slice by slice, at the threshold the model serves
with. Every answer is kept in `predictions.jsonl`.
"""

import json
from pathlib import Path
from typing import Any

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, artifact_utils, standard_artifacts
from tfx.utils import path_utils

from tfx_pipeline import export, versions
from tfx_pipeline.config import SPLITS, PipelineConfig
from tfx_pipeline.evaluation import FILE, predictions
from tfx_pipeline.evaluation.answers import Answering
from tfx_pipeline.evaluation.baselines import task_baselines, template
from tfx_pipeline.evaluation.events import Event, read_events
from tfx_pipeline.evaluation.figures import Answers, alert_threshold, mistakes, scorecard_of
from tfx_pipeline.evaluation.measure import alert_budget


class ScorecardArtifact(Artifact):
    """A directory with `scorecard.json` and the predictions behind it."""

    # On Kubeflow the type is imported by this name.
    TYPE_NAME = "tfx_pipeline.ScorecardArtifact"


@component
def Scorecard(  # noqa: N802 - a TFX component is named as a class
    examples: InputArtifact[standard_artifacts.Examples],
    model: InputArtifact[standard_artifacts.Model],
    scorecard: OutputArtifact[ScorecardArtifact],
    blessing: OutputArtifact[standard_artifacts.ModelBlessing],
    config: Parameter[str],
    pushed: Parameter[str],
    baseline_model: InputArtifact[standard_artifacts.Model] = None,
) -> None:
    """Judge the model on the test split: write `scorecard.json` and the blessing.

    The model to beat is `baseline_model`, or the newest version under the base path `pushed`.
    """
    parsed = PipelineConfig.model_validate_json(config)
    splits = {
        name: read_events(
            artifact_utils.get_split_uris([examples], name)[0], parsed.task, parsed.data.features
        )
        for name in SPLITS
    }
    path = Path(scorecard.uri)
    path.mkdir(parents=True, exist_ok=True)
    baseline = path_utils.serving_model_path(baseline_model.uri) if baseline_model else None
    if baseline is None and pushed:
        baseline = versions.newest(pushed)
    result = judged(path_utils.serving_model_path(model.uri), baseline, parsed, splits, path)
    (path / FILE).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    _bless(blessing, model, baseline_model, result["verdict"]["blessed"])


def judged(
    model_path: str,
    baseline_path: str | None,
    config: PipelineConfig,
    splits: dict[str, list[Event]],
    folder: Path,
) -> dict[str, Any]:
    """Return the scorecard of a SavedModel as JSON values; write the predictions to `folder`."""
    events = splits["test"]
    known = {template(event.text) for event in splits["train"]}
    card = read_card(model_path)
    answering = Answering(model_path, card)
    candidate = Answers("livebert", answering.rows(events, known), alert_threshold(card))
    predictions.write(folder / predictions.FILE, candidate.rows)
    before = None
    if baseline_path is not None:
        earlier = read_card(baseline_path)
        before = Answers(
            "last blessed model",
            Answering(baseline_path, earlier).rows(events, known),
            alert_threshold(earlier),
        )
        predictions.write(folder / predictions.BASELINE_FILE, before.rows)
    wrong = mistakes(config.task, candidate)
    parts = answering.explain([row["text"] for row in wrong])
    alerts = alert_budget(candidate.rows, config.evaluation.alerts_per_day)
    baselines = task_baselines(config.task, card["labels"], splits, alerts)
    return {
        "counts": {name: len(part) for name, part in splits.items()},
        **scorecard_of(config, candidate, before, baselines),
        "mistakes": [row | {"attributions": part} for row, part in zip(wrong, parts, strict=True)],
    }


def read_card(model_path: str) -> dict[str, Any]:
    """Return the model card of a SavedModel on disk."""
    path = Path(model_path) / "assets.extra" / export.CARD
    return json.loads(path.read_text("utf-8"))


def _bless(blessing: Any, model: Any, baseline: Any, blessed: bool) -> None:
    """Write the blessing as TFX's own Evaluator does, so that its resolver and Pusher read it."""
    folder = Path(blessing.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ("BLESSED" if blessed else "NOT_BLESSED")).write_text("", encoding="utf-8")
    blessing.set_int_custom_property("blessed", int(blessed))
    blessing.set_string_custom_property("current_model", model.uri)
    blessing.set_int_custom_property("current_model_id", model.id)
    if baseline is not None:
        blessing.set_string_custom_property("baseline_model", baseline.uri)
        blessing.set_int_custom_property("baseline_model_id", baseline.id)
