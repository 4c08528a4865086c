"""The pipeline as a Kubeflow Pipelines v2 spec; Vertex AI Pipelines takes the same.

Two things of the spec's schema are for Vertex alone: queries for earlier artifacts (the open
backend refuses them: "resolver not implemented yet") and the step before a component that finds
the newest span (it is left out there). So the spec for Kubeflow has neither, and the one for
Vertex has both.
"""

from __future__ import annotations

from pathlib import Path

from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)
from tfx.orchestration.pipeline import Pipeline

from tfx_pipeline import pipeline
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.config.kubeflow import Resources
from tfx_pipeline.dataset.spans import span_numbers
from tfx_pipeline.errors import ConfigError

# What the image runs for each component.
COMMAND = ("python", "-m", "tfx_pipeline.container")

_ResourceSpec = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec


def compile_pipeline(config: PipelineConfig, output: Path, vertex: bool = False) -> Path:
    """Write the pipeline spec, YAML or JSON by the output's suffix, and return its path.

    Raises:
        ConfigError: the spec needs a fixed span, and none is named or lies here.
    """
    kubeflow = config.kubeflow
    places = pipeline.Places(
        spans=f"{kubeflow.data.rstrip('/')}/{config.name}",
        push=f"{kubeflow.base_path.rstrip('/')}/{config.name}",
        queries=vertex,
        span=kubeflow.span if vertex else kubeflow.span or _newest_span(config),
    )
    components = pipeline.build(config, places)
    for component in components:
        asked = kubeflow.resources.get(component.id)
        if asked is not None and isinstance(component, BaseComponent):
            component.with_platform_config(_resources(asked))
    runner = KubeflowV2DagRunner(
        config=KubeflowV2DagRunnerConfig(
            default_image=kubeflow.image,
            default_commands=list(COMMAND),
            # In the older schema the span that ExampleGen's driver finds never reaches it.
            use_pipeline_spec_2_1=True,
        ),
        output_dir=str(output.absolute().parent),
        output_filename=output.name,
    )
    runner.run(
        Pipeline(
            pipeline_name=_kubernetes_name(config.name),
            pipeline_root=kubeflow.pipeline_root,
            components=components,
            enable_cache=True,
            beam_pipeline_args=list(pipeline.BEAM_ARGUMENTS),
        )
    )
    return output


def _newest_span(config: PipelineConfig) -> int:
    found = span_numbers(config.spans_path)
    if not found:
        raise ConfigError(
            f"kubeflow.span: name the span to train on; {config.spans_path} holds none to choose"
        )
    return max(found)


def _resources(asked: Resources) -> _ResourceSpec:
    spec = _ResourceSpec()
    if asked.cpu is not None:
        spec.cpu_limit = asked.cpu
    if asked.memory_gb is not None:
        spec.memory_limit = asked.memory_gb
    if asked.gpus:
        spec.accelerator.type = asked.gpu_type
        spec.accelerator.count = asked.gpus
    return spec


def _kubernetes_name(name: str) -> str:
    """Kubernetes takes lower-case letters, digits and hyphens."""
    return name.lower().replace("_", "-").replace(".", "-")
