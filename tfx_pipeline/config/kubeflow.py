"""Where and with what the pipeline runs on Kubeflow Pipelines, or on Vertex."""

from __future__ import annotations

from pydantic import Field, field_validator

from tfx_pipeline.config.base import Frozen

COMPONENTS = (
    "ImportExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "SchemaCheck",
    "SchemaGate",
    "Transform",
    "Tuner",
    "Trainer",
    "Evaluator",
    "Scorecard",
    "ServingGate",
    "Pusher",
)


class Resources(Frozen):
    """What a component's container may use; `gpu_type` as the cluster names it."""

    cpu: float | None = Field(default=None, gt=0)
    memory_gb: float | None = Field(default=None, gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_type: str = "nvidia.com/gpu"


class KubeflowConfig(Frozen):
    """The image and the places that the containers can reach, all of them URLs or mounted paths.

    `image` is built from deploy/kubeflow.Dockerfile. `pipeline_root` holds the artifacts, `data`
    the spans as `<data>/<name>/span-N/`, `base_path` the pushed versions as `<base_path>/<name>/`.
    `span` is the one to train on; without it the newest that lies here when the spec is compiled.
    Vertex finds the newest itself.
    `resources` are by component, for example `{Trainer: {cpu: 8, memory_gb: 32, gpus: 1}}`.
    """

    image: str = "livebert-pipeline:latest"
    pipeline_root: str = "/livebert/pipelines"
    data: str = "/livebert/data"
    base_path: str = "/livebert/models"
    span: int | None = Field(default=None, ge=1)
    resources: dict[str, Resources] = Field(default_factory=dict)

    @field_validator("pipeline_root", "data", "base_path")
    @classmethod
    def _containers_reach_it(cls, place: str) -> str:
        if "://" not in place and not place.startswith("/"):
            raise ValueError("give a URL, or the absolute path of a mount")
        return place

    @field_validator("resources")
    @classmethod
    def _components_exist(cls, resources: dict[str, Resources]) -> dict[str, Resources]:
        for name in resources:
            if name not in COMPONENTS:
                raise ValueError(f"{name!r} is not one of {', '.join(COMPONENTS)}")
        return resources
