"""Stops a run whose data has another shape than the data of the run before.

TFX's ExampleValidator compares the splits of one run; across runs its schema would be inferred
anew each time and nothing would ever differ. What is compared here is what breaks a model: which
features there are, their types, and whether every event has them. New values are drift, not a
change of schema.
"""

import json
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, standard_artifacts

from tfx_pipeline.errors import DataError
from tfx_pipeline.lineage import SCHEMA_CHANGES

_SCHEMA = "schema.pbtxt"


class SchemaChanges(Artifact):
    """A directory with `changes.json`, one line for each change."""

    TYPE_NAME = "tfx_pipeline.SchemaChanges"


class AcceptedSchema(Artifact):
    """A directory with the `schema.pbtxt` that a run went on with."""

    TYPE_NAME = "tfx_pipeline.AcceptedSchema"


@component
def SchemaCheck(  # noqa: N802 - a TFX component is named as a class
    schema: InputArtifact[standard_artifacts.Schema],
    changes: OutputArtifact[SchemaChanges],
    accepted: InputArtifact[AcceptedSchema] = None,
) -> None:
    """Write what differs from the schema that was accepted last."""
    found = [] if accepted is None else schema_changes(_read(accepted.uri), _read(schema.uri))
    folder = Path(changes.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCHEMA_CHANGES).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


@component
def SchemaGate(  # noqa: N802 - a TFX component is named as a class
    schema: InputArtifact[standard_artifacts.Schema],
    changes: InputArtifact[SchemaChanges],
    accepted: OutputArtifact[AcceptedSchema],
    accept_changes: Parameter[int],
) -> None:
    """Accept the schema, or stop the run.

    Raises:
        DataError: the schema changed, and `data.accept_schema_change` does not say that it may.
    """
    found = json.loads((Path(changes.uri) / SCHEMA_CHANGES).read_text("utf-8"))
    if found and not accept_changes:
        raise DataError(
            f"the schema changed since the last run: {'; '.join(found)} (if it should have, run "
            "once with --set data.accept_schema_change=true)"
        )
    folder = Path(accepted.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _SCHEMA).write_text((Path(schema.uri) / _SCHEMA).read_text("utf-8"), "utf-8")


def schema_changes(before: schema_pb2.Schema, now: schema_pb2.Schema) -> list[str]:
    """Return a line for each feature that came, went, changed its type or became optional."""
    earlier = {feature.name: feature for feature in before.feature}
    later = {feature.name: feature for feature in now.feature}
    found = [f"{name} is gone" for name in earlier if name not in later]
    found += [f"{name} is new ({_type(later[name])})" for name in later if name not in earlier]
    for name in earlier.keys() & later.keys():
        old, new = earlier[name], later[name]
        if old.type != new.type:
            found.append(f"{name} was {_type(old)} and is {_type(new)}")
        elif old.presence.min_fraction == 1 and new.presence.min_fraction < 1:
            found.append(f"{name} is missing in some events")
    return sorted(found)


def _read(folder: str) -> schema_pb2.Schema:
    return text_format.Parse((Path(folder) / _SCHEMA).read_text("utf-8"), schema_pb2.Schema())


def _type(feature: schema_pb2.Feature) -> str:
    return schema_pb2.FeatureType.Name(feature.type).lower()
