"""What a run came to: the verdict with its reason, the pushed version, the scorecard.

Read from ML Metadata, so that it is what the components recorded and not what we hope.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import scorecard


@dataclass(frozen=True)
class Outcome:
    """`pushed` is the version directory, None when the model was not blessed.

    `why` says in one line per failed bound why a model was not blessed.
    """

    blessed: bool
    why: tuple[str, ...]
    pushed: Path | None
    evaluation: Path
    scorecard: dict[str, Any]


def read_outcome(config: PipelineConfig, metadata: Path) -> Outcome:
    """Read the outcome of the newest run recorded in a metadata store."""
    connection = mlmd.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata)
    connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
    store = MetadataStore(connection)
    run = max(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
    evaluator = _outputs(store, run.id, "Evaluator")
    blessed = evaluator["ModelBlessing"].custom_properties["blessed"].int_value == 1
    evaluation = Path(evaluator["ModelEvaluation"].uri)
    card = Path(_outputs(store, run.id, "Scorecard")["Scorecard"].uri) / scorecard.FILE
    pushed = _outputs(store, run.id, "Pusher")["PushedModel"].custom_properties
    destination = pushed["pushed_destination"].string_value if blessed else ""
    return Outcome(
        blessed=blessed,
        why=() if blessed else _failures(evaluation),
        pushed=Path(destination) if destination else None,
        evaluation=evaluation,
        scorecard=json.loads(card.read_text("utf-8")),
    )


def _outputs(store: MetadataStore, run: int, component: str) -> dict[str, mlmd.Artifact]:
    """Return what a component gave in a run, cached results included, by artifact type."""
    executions = [
        execution.id
        for execution in store.get_executions_by_context(run)
        if execution.type.rpartition(".")[2] == component
    ]
    events = store.get_events_by_execution_ids(executions)
    outputs = [event.artifact_id for event in events if event.type == mlmd.Event.OUTPUT]
    return {artifact.type: artifact for artifact in store.get_artifacts_by_id(outputs)}


def _failures(evaluation: Path) -> tuple[str, ...]:
    result = tfma.load_validation_result(str(evaluation))
    return tuple(
        _explain(failure)
        for part in result.metric_validations_per_slice
        for failure in part.failures
    ) or ("TFMA found nothing to judge: see evaluation.bounds and the log",)


def _explain(failure: Any) -> str:
    name = failure.metric_key.name
    value = failure.metric_value.double_value.value
    threshold = failure.metric_threshold
    if failure.metric_key.is_diff:
        allowed = -threshold.change_threshold.absolute.value
        return (
            f"{name} changed by {value:+.4f} against the last blessed model; may drop {allowed:g}"
        )
    return (
        f"{name} is {value:.4f}; at least {threshold.value_threshold.lower_bound.value:g} is asked"
    )
