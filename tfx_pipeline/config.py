"""One YAML file is one model: what it reads, how it is trained, when it is blessed, where it goes.

Order of priority: a `--set key=value` flag, then the file, then the defaults below.
Every value is frozen and checked on birth; relative paths count from the working directory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tfx_pipeline import features
from tfx_pipeline.errors import ConfigError
from tfx_pipeline.text import CleaningRule, template_fields

SPLITS = ("train", "eval", "test")
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class FormatConfig(_Frozen):
    """The file format of the labelled events: JSON lines, CSV, or log lines with a header.

    `header` describes a log line as logparser and loghub do: `<Label> <Time> <Level> <Content>`;
    the last field takes the rest of the line.
    """

    kind: Literal["json", "csv", "header"] = "json"
    delimiter: str = ","
    header: str | None = None

    @model_validator(mode="after")
    def _header_belongs_to_its_kind(self) -> FormatConfig:
        if (self.kind == "header") != (self.header is not None):
            raise ValueError("header is required with kind: header, and only there")
        return self


class TimeConfig(_Frozen):
    """Where an event's time stands and how it is written.

    `format` is `iso` (8601), `unix` (seconds), `unix_ms`, `unix_us`, or a strptime pattern;
    `zone` is used when the text itself names none.
    """

    field: str
    format: str = "iso"
    zone: str = "UTC"


class SplitConfig(_Frozen):
    """How events are divided into train, eval and test.

    `auto` keeps the data's own split where `data.files` names splits, else cuts by time, else
    hashes the text. `eval` chooses epochs and thresholds; `test` is only for the final figures.
    """

    rule: Literal["auto", "given", "time", "hash"] = "auto"
    train: Share = 0.7
    eval: Share = 0.1
    test: Share = 0.2

    @model_validator(mode="after")
    def _shares_add_up(self) -> SplitConfig:
        if abs(self.train + self.eval + self.test - 1.0) > 1e-6:
            raise ValueError("train + eval + test must be 1")
        return self


class DataConfig(_Frozen):
    """The labelled events and the spans made of them.

    `files` is a list of paths and globs, or a mapping from split to such a list.
    `normal` lists the label values that mean normal (anomaly task); all others are anomalies.
    `features` are fields copied beside the text, for slices.
    `max_rejected` is the share of rows that may be bad before the import fails.
    """

    root: Path = Path(".livebert/data")
    files: tuple[str, ...] | dict[Literal["train", "eval", "test"], tuple[str, ...]] = ()
    format: FormatConfig = FormatConfig()
    text: str = "{text}"
    label: str = "label"
    normal: tuple[str, ...] = ("normal",)
    event_id: str | None = None
    event_time: TimeConfig | None = None
    weight: str | None = None
    features: tuple[str, ...] = ()
    split: SplitConfig = SplitConfig()
    duplicates: Literal["drop", "keep"] = "drop"
    max_rejected: Share = 0.01

    @field_validator("text")
    @classmethod
    def _template_parses(cls, template: str) -> str:
        if not template_fields(template):
            raise ValueError("the template names no field, for example '{message}'")
        return template


class EncoderConfig(_Frozen):
    """The pretrained encoder.

    `preset` is `all-MiniLM-L6-v2` (its weights come with the `pipeline` extra), a local
    directory, or any KerasHub BERT preset or `hf://` handle. `sha256` pins the weight file.
    `max_length` is in word pieces, [CLS] and [SEP] included; longer texts are cut.
    """

    preset: str = "all-MiniLM-L6-v2"
    sha256: str | None = None
    max_length: int = Field(default=128, ge=8)


class TrainingConfig(_Frozen):
    """How the encoder is fine-tuned.

    `batch_tokens` is the budget of word pieces in a batch, so short texts travel in large
    batches. `precision` `auto` means bfloat16 where the processor has it. `class_weight`
    `balanced` weighs a class by the square root of its rarity.
    """

    epochs: int = Field(default=3, ge=1)
    batch_tokens: int = Field(default=512, ge=8)
    learning_rate: float = Field(default=5e-5, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: Share = 0.1
    dropout: Share = 0.1
    clip_norm: float = Field(default=1.0, gt=0)
    patience: int = Field(default=2, ge=1)
    class_weight: Literal["none", "balanced"] = "none"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0


class MetricBound(_Frozen):
    """One condition of the blessing, on a metric as TFMA names it.

    `at_least` is the absolute bound; `may_drop` how much lower than the last blessed model's
    value it may be (both in the metric's own unit; the metric must be better when higher).
    """

    metric: str
    at_least: float | None = None
    may_drop: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _says_something(self) -> MetricBound:
        if self.at_least is None and self.may_drop is None:
            raise ValueError("give at_least, may_drop or both")
        return self


class EvaluationConfig(_Frozen):
    """When a model is blessed, and the slices that are shown.

    `slices` are lists of feature names, for example `[[service], [service, severity]]`.
    Without `bounds` the task's main metric may not drop by more than 0.02.
    """

    slices: tuple[tuple[str, ...], ...] = ()
    bounds: tuple[MetricBound, ...] = ()


class ServingConfig(_Frozen):
    """Where the blessed model goes: `<base_path>/<name>/<version>/`.

    `precision` is that of the exported graph: `auto` follows this machine's processor, so
    name it when the server's processor differs. `warmup_batch_sizes` are the batch sizes of
    the recorded warm-up requests.
    """

    base_path: Path = Path(".livebert/models")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    warmup_batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = (1, 32)


class PipelineConfig(_Frozen):
    """One model: everything `tfx-pipeline` needs to know of it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    task: Literal["anomaly", "classification"]
    pipeline_root: Path = Path(".livebert/pipelines")
    data: DataConfig = DataConfig()
    text_cleaning: tuple[CleaningRule, ...] = ()
    encoder: EncoderConfig = EncoderConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    serving: ServingConfig = ServingConfig()

    @property
    def spans_path(self) -> Path:
        """Where this model's spans are: `<data.root>/<name>`."""
        return self.data.root / self.name

    @property
    def root(self) -> Path:
        """Where this model's runs, logs and metadata are: `<pipeline_root>/<name>`."""
        return self.pipeline_root / self.name

    @property
    def push_path(self) -> Path:
        """Where the blessed versions go: `<serving.base_path>/<name>`."""
        return self.serving.base_path / self.name

    @model_validator(mode="after")
    def _bounds_are_metrics(self) -> PipelineConfig:
        known = features.BOUNDED[self.task]
        for bound in self.evaluation.bounds:
            if bound.metric not in known:
                raise ValueError(
                    f"evaluation.bounds: {bound.metric!r} is not one of {', '.join(known)}"
                )
        return self

    @model_validator(mode="after")
    def _slices_are_features(self) -> PipelineConfig:
        for columns in self.evaluation.slices:
            for column in columns:
                if column not in self.data.features:
                    raise ValueError(f"evaluation.slices: {column!r} is not in data.features")
        return self


def load(path: Path, overrides: Sequence[str] = ()) -> PipelineConfig:
    """Read a YAML file and apply `key.path=value` overrides (values are YAML too).

    Raises:
        ConfigError: one line that names the file and the key.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; configs/ holds examples") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(raw).__name__}")
    for override in overrides:
        _override(raw, override)
    try:
        return PipelineConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{path}: {_explain(first)}") from error


def _override(raw: dict[str, Any], override: str) -> None:
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"--set {override}: write it as key.path=value")
    *parents, last = key.split(".")
    for parent in parents:
        child = raw.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {parent} is a value, not a group of keys")
        raw = child
    try:
        raw[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML") from error


def _explain(error: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if error["type"] == "missing":
        return f"{key}: this key is required"
    return f"{key}: {error['msg'].removeprefix('Value error, ')} (found {error['input']!r:.80})"
