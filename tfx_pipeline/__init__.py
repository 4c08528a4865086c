"""Labelled text events to a blessed SavedModel, with TFX."""

from importlib import import_module
from typing import Any

# Kubeflow knows a type of artifact as `package.Class`, and the component imports it by that name.
_ARTIFACTS = {
    "AcceptedSchema": "tfx_pipeline.schema_check",
    "SchemaChanges": "tfx_pipeline.schema_check",
    "ScorecardArtifact": "tfx_pipeline.evaluation.scorecard",
}


def __getattr__(name: str) -> Any:
    """Import an artifact type once somebody asks for it: it brings TFX along."""
    if name in _ARTIFACTS:
        return getattr(import_module(_ARTIFACTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
