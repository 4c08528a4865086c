"""One model: everything `tfx-pipeline` needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from tfx_pipeline import features
from tfx_pipeline.config.base import Frozen
from tfx_pipeline.config.data import DataConfig
from tfx_pipeline.config.encoder import EncoderConfig
from tfx_pipeline.config.evaluation import EvaluationConfig
from tfx_pipeline.config.kubeflow import KubeflowConfig
from tfx_pipeline.config.pretraining import PretrainingConfig
from tfx_pipeline.config.serving import ServingConfig
from tfx_pipeline.config.training import TrainingConfig
from tfx_pipeline.config.tuning import TuningConfig
from tfx_pipeline.text import CleaningRule, expand


class PipelineConfig(Frozen):
    """One model: everything `tfx-pipeline` needs to know of it.

    `text_cleaning` is what is replaced in a text before it is read, in training and in serving: RE2
    rules (`{pattern: "user=[a-z]+", replacement: "user"}`) and the names of ready ones, in order:
    `nfkc` (Unicode's NFKC: full-width letters, ligatures and the like as plain ones) or `nfc`,
    `control` (control and zero-width characters), `urls`, `emails`, `uuids`, `ips`, `hex`,
    `numbers`. Case is the encoder's own matter. With `tuning` the pipeline has a Tuner, whose best
    values train the model in the place of the file's.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    task: Literal["anomaly", "classification", "regression", "token"]
    pipeline_root: Path = Path(".livebert/pipelines")
    data: DataConfig = DataConfig()
    text_cleaning: tuple[CleaningRule, ...] = ()
    encoder: EncoderConfig = EncoderConfig()
    pretraining: PretrainingConfig = PretrainingConfig()
    training: TrainingConfig = TrainingConfig()
    tuning: TuningConfig | None = None
    evaluation: EvaluationConfig = EvaluationConfig()
    serving: ServingConfig = ServingConfig()
    kubeflow: KubeflowConfig = KubeflowConfig()

    @property
    def spans_path(self) -> Path:
        """Where this model's spans are: `<data.root>/<name>`."""
        return self.data.root / self.name

    @property
    def root(self) -> Path:
        """Where this model's runs, logs and metadata are: `<pipeline_root>/<name>`."""
        return self.pipeline_root / self.name

    @property
    def metadata(self) -> Path:
        """The ML Metadata store of this model's runs, an SQLite file."""
        return self.root / "metadata.sqlite"

    @property
    def push_path(self) -> str:
        """Where the blessed versions go, a path or a URL: `<serving.base_path>/<name>`."""
        base = self.serving.base_path.rstrip("/")
        return f"{base if '://' in base else Path(base).absolute()}/{self.name}"

    def with_values(self, values: Mapping[str, Any]) -> PipelineConfig:
        """Return the config with other values, by key (`training.epochs`), and no more to tune.

        Raises:
            KeyError: there is no such key.
            ValidationError: a value, or what it makes of the whole, is wrong.
        """
        raw = self.model_dump(mode="json", exclude={"tuning"})
        for key, value in values.items():
            section = raw
            *parents, last = key.split(".")
            for parent in parents:
                section = section[parent]
            if last not in section:
                raise KeyError(key)
            section[last] = value
        return PipelineConfig.model_validate(raw)

    @field_validator("text_cleaning", mode="before")
    @classmethod
    def _presets_are_rules(cls, rules: Any) -> Any:
        return expand(rules)

    @model_validator(mode="after")
    def _labels_have_log_odds(self) -> PipelineConfig:
        if self.training.wide and self.task not in ("anomaly", "classification"):
            raise ValueError("training.wide: only for the anomaly and classification tasks")
        return self

    @model_validator(mode="after")
    def _a_budget_has_its_days(self) -> PipelineConfig:
        if self.training.alerts_per_day is None:
            return self
        if self.task != "anomaly" or self.data.event_time is None:
            raise ValueError(
                "training.alerts_per_day: only for the anomaly task, and with data.event_time"
            )
        return self

    @model_validator(mode="after")
    def _tuned_values_are_right(self) -> PipelineConfig:
        for key, search in self.tuning.parameters.items() if self.tuning else ():
            if not key.startswith("training."):
                raise ValueError(f"tuning.parameters: {key!r} is not below training")
            for value in search.ends:
                try:
                    self.with_values({key: value})
                except (KeyError, TypeError) as error:
                    raise ValueError(f"tuning.parameters: there is no key {key}") from error
                except ValidationError as error:
                    why = error.errors()[0]["msg"].removeprefix("Value error, ")
                    raise ValueError(f"tuning.parameters: {key} cannot be {value}: {why}") from None
        return self

    @model_validator(mode="after")
    def _bounds_are_metrics(self) -> PipelineConfig:
        known = features.MEASURED[self.task]
        for bound in self.evaluation.bounds:
            if bound.metric not in known:
                raise ValueError(
                    f"evaluation.bounds: {bound.metric!r} is not one of {', '.join(known)}"
                )
            better = known[bound.metric]
            low = (bound.at_most, bound.may_rise) != (None, None)
            high = (bound.at_least, bound.may_drop) != (None, None)
            if high if better == features.LOWER else low:
                keys = "at_most, may_rise" if better == features.LOWER else "at_least, may_drop"
                raise ValueError(
                    f"evaluation.bounds: {bound.metric} is better when {better}: use {keys}"
                )
            if bound.may_trail is not None and bound.metric in features.NOT_TRIVIAL[self.task]:
                raise ValueError(
                    f"evaluation.bounds: no trivial baseline has a {bound.metric} to trail"
                )
        return self

    @model_validator(mode="after")
    def _slices_are_features(self) -> PipelineConfig:
        for columns in self.evaluation.slices:
            for column in columns:
                if column not in self.data.features:
                    raise ValueError(f"evaluation.slices: {column!r} is not in data.features")
        for column in self.evaluation.fairness:
            if column not in self.data.features:
                raise ValueError(f"evaluation.fairness: {column!r} is not in data.features")
        return self
