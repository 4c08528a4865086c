from __future__ import annotations

from pathlib import Path

import pytest

from tfx_pipeline import config
from tfx_pipeline.errors import ConfigError

MINIMAL = "name: m\ntask: anomaly\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "model.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: m\ntask: anomaly\ntrainin: {}\n", "trainin: unknown key"),
        ("name: m\ntask: anomaly\ntraining: {epoch: 3}\n", "training.epoch: unknown key"),
        ("task: anomaly\n", "name: this key is required"),
        ("name: m\ntask: summarise\n", "task: "),
        ("name: m\ntask: anomaly\ntraining: {epochs: many}\n", "training.epochs: "),
        (MINIMAL + "data: {text: nothing}\n", "the template names no field"),
        (MINIMAL + "data: {split: {train: 0.9}}\n", "train + eval + test must be 1"),
        (MINIMAL + "data: {format: {kind: header}}\n", "header is required"),
        (MINIMAL + "evaluation: {slices: [[color]]}\n", "'color' is not in data.features"),
        (MINIMAL + "evaluation: {bounds: [{metric: f7, at_least: 1}]}\n", "'f7' is not one of"),
        (MINIMAL + "evaluation: {bounds: [{metric: f1}]}\n", "give may_trail, or at_least"),
        (MINIMAL + "evaluation: {bounds: [{metric: f1, at_most: 1}]}\n", "use at_least, may_drop"),
        (
            "name: m\ntask: classification\n"
            "evaluation: {bounds: [{metric: calibration_error, may_trail: 0}]}\n",
            "no trivial baseline has a calibration_error",
        ),
        (MINIMAL + "text_cleaning: [{pattern: '(?=x)'}]\n", "not an RE2 pattern"),
        (MINIMAL + "text_cleaning: [phones]\n", "'phones' is not one of nfc, nfkc"),
        (MINIMAL + "training: {alerts_per_day: 5}\n", "and with data.event_time"),
        (MINIMAL + "kubeflow: {data: spans}\n", "kubeflow.data: give a URL, or the absolute path"),
        (MINIMAL + "training: {folds: 1}\n", "folds: two at least"),
        (MINIMAL + "training: {folds: 3, warm_start: true}\n", "folds and warm_start"),
        ("[1, 2]\n", "expected keys and values"),
        ("a: [\n", "not YAML"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_and_key(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("base", ["gs://bucket/models/", "ram://models"])
def test_models_may_go_to_a_url(tmp_path, base):
    loaded = config.load(write(tmp_path, MINIMAL), [f"serving.base_path={base}"])
    assert loaded.push_path == f"{base.rstrip('/')}/m"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        config.load(tmp_path / "absent.yaml")


def test_a_flag_overrides_any_key(tmp_path):
    path = write(tmp_path, MINIMAL + "training: {epochs: 5, seed: 7}\n")
    loaded = config.load(path, ["training.epochs=1", "data.files=[a.jsonl, b.jsonl]"])
    assert loaded.training.epochs == 1
    assert loaded.training.seed == 7
    assert loaded.data.files == ("a.jsonl", "b.jsonl")


@pytest.mark.parametrize("flag", ["epochs", "=1", "name.x=1", "training.epochs=["])
def test_a_wrong_flag_is_named(tmp_path, flag):
    with pytest.raises(ConfigError, match="--set"):
        config.load(write(tmp_path, MINIMAL), [flag])


def test_every_shipped_config_loads():
    shipped = Path(__file__).parents[2] / "configs"
    models = [path for path in shipped.glob("*.yaml") if not path.name.startswith("bridge-")]
    assert models
    for path in models:
        assert config.load(path).name


def test_a_config_survives_json(tmp_path):
    loaded = config.load(write(tmp_path, MINIMAL))
    assert config.PipelineConfig.model_validate_json(loaded.model_dump_json()) == loaded
