"""One YAML file is one model: what it reads, how it is trained, when it is blessed, where it goes.

Order of priority: a `--set key=value` flag, then the file, then the defaults below.
Every value is frozen and checked on birth; relative paths count from the working directory.
"""

from tfx_pipeline.config.data import SPLITS, DataConfig, FormatConfig, SplitConfig, TimeConfig
from tfx_pipeline.config.encoder import EncoderConfig
from tfx_pipeline.config.evaluation import EvaluationConfig, MetricBound
from tfx_pipeline.config.kubeflow import KubeflowConfig
from tfx_pipeline.config.loading import load, put, read
from tfx_pipeline.config.pipeline import PipelineConfig
from tfx_pipeline.config.serving import GateConfig, PushConfig, ServingConfig
from tfx_pipeline.config.training import TrainingConfig
from tfx_pipeline.config.tuning import SearchConfig, TuningConfig

__all__ = [
    "SPLITS",
    "DataConfig",
    "EncoderConfig",
    "EvaluationConfig",
    "FormatConfig",
    "GateConfig",
    "KubeflowConfig",
    "MetricBound",
    "PipelineConfig",
    "PushConfig",
    "SearchConfig",
    "ServingConfig",
    "SplitConfig",
    "TimeConfig",
    "TrainingConfig",
    "TuningConfig",
    "load",
    "put",
    "read",
]
