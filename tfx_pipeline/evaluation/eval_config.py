"""What TFMA is to measure: metrics by slice, for its widgets and whoever reads its results.

TFMA does not bless: it knows neither entities nor trivial baselines nor alert budgets. The
Scorecard measures all tasks the same way, and its figures decide.
"""

from __future__ import annotations

import json

import tensorflow_model_analysis as tfma

from tfx_pipeline import features
from tfx_pipeline.config import PipelineConfig

_PREDICTIONS = {"anomaly": "score", "classification": "scores", "regression": "value"}


def build(config: PipelineConfig) -> tfma.EvalConfig | None:
    """Return model signature, metrics and slices; None for a task TFMA has no metric for."""
    if config.task not in features.TFMA_METRICS:
        return None
    model = tfma.ModelSpec(
        signature_name=features.SERVING_EXAMPLES,
        preprocessing_function_names=[features.TRANSFORM_FEATURES],
        label_key=features.LABEL_VALUE if config.task == "regression" else features.LABEL_ID,
        prediction_key=_PREDICTIONS[config.task],
    )
    if config.data.weight is not None:
        model.example_weight_key = features.WEIGHT
    metrics = [
        tfma.MetricConfig(class_name=kind, config=json.dumps({"name": name}))
        for name, kind in features.TFMA_METRICS[config.task].items()
    ]
    spec = tfma.MetricsSpec(metrics=metrics)
    slices = [tfma.SlicingSpec()]
    slices += [tfma.SlicingSpec(feature_keys=list(keys)) for keys in config.evaluation.slices]
    return tfma.EvalConfig(model_specs=[model], metrics_specs=[spec], slicing_specs=slices)
