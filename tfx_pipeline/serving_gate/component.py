"""The ServingGate component: TFX's InfraBlessing from a real server, with a latency budget."""

import logging
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import predictions
from tfx_pipeline.evaluation.scorecard import ScorecardArtifact, read_card
from tfx_pipeline.serving_gate.gate import try_model

log = logging.getLogger("tfx_pipeline.progress")


@component
def ServingGate(  # noqa: N802 - a TFX component is named as a class
    model: InputArtifact[standard_artifacts.Model],
    scorecard: InputArtifact[ScorecardArtifact],
    model_blessing: InputArtifact[standard_artifacts.ModelBlessing],
    blessing: OutputArtifact[standard_artifacts.InfraBlessing],
    config: Parameter[str],
) -> None:
    """Serve a blessed model for a while and bless it when it is fit to be served."""
    parsed = PipelineConfig.model_validate_json(config)
    folder = Path(blessing.uri)
    folder.mkdir(parents=True, exist_ok=True)
    if not model_blessing.get_int_custom_property("blessed"):
        log.info("  not blessed, so not served either")
        fit = False
    else:
        path = path_utils.serving_model_path(model.uri)
        rows = predictions.read(Path(scorecard.uri) / predictions.FILE)
        gate = parsed.serving.gate
        whys = try_model(gate, parsed.name, path, read_card(path), rows, folder)
        fit = not whys
        if whys:
            blessing.set_string_custom_property("why", "; ".join(whys))
    # The names that TFX's own InfraValidator gives, for its Pusher to read.
    (folder / ("INFRA_BLESSED" if fit else "INFRA_NOT_BLESSED")).write_text("", encoding="utf-8")
    blessing.set_int_custom_property("blessed", int(fit))
