"""The terms of the blessing, in TFMA's words."""

from __future__ import annotations

import json
import math

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from tfx_pipeline import features
from tfx_pipeline.config import MetricBound, PipelineConfig

_MAY_DROP = 0.02


def bounds(config: PipelineConfig) -> tuple[MetricBound, ...]:
    """Return the configured bounds, or that the main metric may hardly drop."""
    default = MetricBound(metric=features.MAIN_METRIC[config.task], may_drop=_MAY_DROP)
    return config.evaluation.bounds or (default,)


def build(config: PipelineConfig) -> tfma.EvalConfig:
    """Return the EvalConfig: model signature, slices, metrics and thresholds.

    A bound holds for the data as a whole; slices are shown, not judged.
    """
    anomaly = config.task == "anomaly"
    model = tfma.ModelSpec(
        signature_name=features.SERVING_EXAMPLES,
        preprocessing_function_names=[features.TRANSFORM_FEATURES],
        label_key=features.LABEL_ID,
        prediction_key="score" if anomaly else "scores",
    )
    if config.data.weight is not None:
        model.example_weight_key = features.WEIGHT
    judged = {bound.metric: [_threshold(bound)] for bound in bounds(config)}
    metrics = [
        tfma.MetricConfig(
            class_name=kind,
            config=json.dumps({"name": name}),
            per_slice_thresholds=judged.get(name),
        )
        for name, kind in features.METRICS[config.task].items()
    ]
    spec = tfma.MetricsSpec(metrics=metrics)
    slices = [tfma.SlicingSpec()]
    slices += [tfma.SlicingSpec(feature_keys=list(keys)) for keys in config.evaluation.slices]
    return tfma.EvalConfig(model_specs=[model], metrics_specs=[spec], slicing_specs=slices)


def _threshold(bound: MetricBound) -> config_pb2.PerSliceMetricThreshold:
    threshold = tfma.MetricThreshold()
    # Without an absolute bound and without a model to compare with TFMA would find no threshold
    # at all, and refuse: the first model of its name is measured against minus infinity.
    lowest = bound.at_least if bound.at_least is not None else -math.inf
    threshold.value_threshold.lower_bound.value = lowest
    if bound.may_drop is not None:
        threshold.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -bound.may_drop
    return config_pb2.PerSliceMetricThreshold(
        slicing_specs=[tfma.SlicingSpec()], threshold=threshold
    )
