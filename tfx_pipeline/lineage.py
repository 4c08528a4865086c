"""The runs of a pipeline as ML Metadata recorded them: what each component made, and from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore, errors
from ml_metadata.proto import metadata_store_pb2 as mlmd

from tfx_pipeline.errors import RunNotFoundError

# What SchemaCheck writes: a list with one line for each change since the last accepted schema.
SCHEMA_CHANGES = "changes.json"

_RESOLVER = "Resolver"
_DONE = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)


@dataclass(frozen=True)
class Made:
    """An artifact: where it is, and its properties by name."""

    uri: Path
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class RecordedRun:
    """One run of the pipeline.

    `outputs` are by component (`Trainer`) and output name (`model`); a cached result counts as
    made by the run that used it. `stopped_at` is the component that did not finish, None when
    all did.
    """

    run_id: str
    started: datetime
    outputs: Mapping[str, Mapping[str, Made]]
    stopped_at: str | None

    def find(self, component: str, output: str) -> Made | None:
        """Return an artifact, None when the run never made it."""
        return self.outputs.get(component, {}).get(output)

    @property
    def span(self) -> int | None:
        """The newest span the run learned from."""
        examples = self.find("ImportExampleGen", "examples")
        return None if examples is None else int(examples.properties.get("span", 0))

    @property
    def spans(self) -> str | None:
        """The spans the run learned from, as `3` or `1-3`."""
        examples = self.find("ImportExampleGen", "examples")
        return None if examples is None else examples.properties.get("spans", str(self.span))

    @property
    def version(self) -> str | None:
        """The version the run pushed."""
        pushed = self.find("Pusher", "pushed_model")
        return None if pushed is None else pushed.properties.get("pushed_version")


def recorded_runs(metadata: Path) -> list[RecordedRun]:
    """Return every run in a metadata store, the newest first; none where there is no store."""
    if not metadata.is_file():
        return []
    connection = mlmd.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata)
    connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
    store = MetadataStore(connection)
    try:
        contexts = store.get_contexts_by_type("pipeline_run")
    except errors.NotFoundError:
        # The store of a run that ended before its first component.
        return []
    return [_run(store, context) for context in sorted(contexts, key=lambda found: -found.id)]


def find_run(runs: Sequence[RecordedRun], run_id: str) -> RecordedRun:
    """Return the newest run whose id begins with `run_id`, or that pushed the version of that name.

    Raises:
        RunNotFoundError: there is none.
    """
    for run in runs:
        if run.run_id.startswith(run_id) or run.version == run_id:
            return run
    known = ", ".join(run.run_id for run in runs[:3]) or "none yet"
    raise RunNotFoundError(f"no run {run_id}; the newest are {known} (`tfx-pipeline runs`)")


def _run(store: Any, context: mlmd.Context) -> RecordedRun:
    outputs: dict[str, dict[str, Made]] = {}
    stopped_at = None
    executions = sorted(store.get_executions_by_context(context.id), key=lambda found: found.id)
    names = {execution.id: _component(execution) for execution in executions}
    for execution in executions:
        # A resolver that finds nothing, as in a first run, is recorded as failed; the run goes on.
        if execution.last_known_state not in _DONE and names[execution.id] != _RESOLVER:
            stopped_at = names[execution.id]
    events = [
        event
        for event in store.get_events_by_execution_ids(list(names))
        if event.type == mlmd.Event.OUTPUT
    ]
    artifacts = {
        artifact.id: artifact
        for artifact in store.get_artifacts_by_id(list({event.artifact_id for event in events}))
    }
    for event in events:
        artifact = artifacts[event.artifact_id]
        made = Made(Path(artifact.uri), _properties(artifact))
        outputs.setdefault(names[event.execution_id], {})[event.path.steps[0].key] = made
    started = datetime.fromtimestamp(context.create_time_since_epoch / 1000).astimezone()
    return RecordedRun(context.name.partition(".")[0], started, outputs, stopped_at)


def _component(execution: mlmd.Execution) -> str:
    return execution.type.rpartition(".")[2]


def _properties(artifact: mlmd.Artifact) -> dict[str, Any]:
    return {
        name: getattr(value, value.WhichOneof("value"))
        for found in (artifact.properties, artifact.custom_properties)
        for name, value in found.items()
        if value.WhichOneof("value")
    }
