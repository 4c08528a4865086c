"""The Tuner: what it may try, when a trial ends early, an interrupted search, and a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipeline import run_pipeline
from tfx_pipeline import config as configs
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.errors import ConfigError, DataError
from tfx_pipeline.show import trials_table

keras_tuner = pytest.importorskip("keras_tuner")

from tfx_pipeline.tuning import TRIALS, search  # noqa: E402
from tfx_pipeline.tuning.pruning import BehindError, OutOfTimeError, TrialWatch  # noqa: E402
from tfx_pipeline.tuning.search import Search  # noqa: E402
from tfx_pipeline.tuning.tuned import write_tuned  # noqa: E402

PARAMETERS = {
    "training.learning_rate": {"log": ["1e-5", "1e-3"]},
    "training.epochs": {"integer": [1, 9]},
    "training.average": ["none", "ema"],
}


def config_of(**tuning: object) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "name": "m",
            "task": "classification",
            "training": {"learning_rate": 2e-4, "epochs": 4},
            "tuning": {"parameters": PARAMETERS, "trials": 8, **tuning},
        }
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("{}", "at least 1 item"),
        ("{encoder.max_length: [64, 128]}", "'encoder.max_length' is not below training"),
        ("{training.epoks: [1, 2]}", "there is no key training.epoks"),
        ("{training.wide.much: [1, 2]}", "there is no key training.wide.much"),
        ("{training.epochs: {integer: [0, 3]}}", "training.epochs cannot be 0"),
        ("{training.folds: [0, 1]}", "training.folds cannot be 1: folds: two at least"),
        ("{training.epochs: {integer: [3, 1]}}", "the range from 3 to 1 is empty"),
        ("{training.dropout: {log: [0, 0.5]}}", "both ends are above 0"),
        ("{training.epochs: {integer: [1, 2], choice: [3]}}", "give one of"),
        ("{training.average: [ema, 1]}", "all numbers, all names"),
    ],
)
def test_what_cannot_be_tried_is_said_before_anything_runs(tmp_path, parameters, message):
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntask: classification\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        configs.load(path, [f"tuning.parameters={parameters}"])


def test_a_trial_ends_once_it_is_behind_half_of_the_others():
    others = [[0.5, 0.8], [0.6, 0.9], [0.7, 0.7]]
    watch = TrialWatch(others, None)
    watch.reached(0.6, 1, 3)
    with pytest.raises(BehindError):
        watch.reached(0.65, 2, 3)
    # The last step ends by itself, and two trials do not say where the middle is.
    TrialWatch(others, None).reached(0.1, 2, 2)
    TrialWatch(others[:2], None).reached(0.1, 1, 2)
    with pytest.raises(OutOfTimeError):
        TrialWatch([], 0.0).batch()


class Clock:
    """Seconds that pass when a trial is trained."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def figure(config: PipelineConfig) -> float:
    training = config.training
    return 1 - abs(training.epochs - 6) / 10 - training.learning_rate * 100


def searched(config, folder, clock, monkeypatch, stop_at: int | None = None) -> Search:
    monkeypatch.setattr(search, "time", clock)

    def run(given: PipelineConfig, state: Path, watch: TrialWatch) -> float:
        if stop_at is not None and len(found.records) == stop_at:
            raise KeyboardInterrupt
        clock.now += 60
        return figure(given)

    found = Search(config, "accuracy", folder / "search", run)
    found.search()
    return found


# KerasTuner draws three values for each parameter before it asks the process.
@pytest.mark.parametrize(
    ("algorithm", "tuned", "trials", "stops"),
    [("random", list(PARAMETERS), 11, (4, 10)), ("bayesian", list(PARAMETERS)[:1], 5, (1, 3))],
)
def test_an_interrupted_search_goes_on_as_if_nothing_had_been(
    tmp_path, monkeypatch, algorithm, tuned, trials, stops
):
    parameters = {key: PARAMETERS[key] for key in tuned}
    config = config_of(algorithm=algorithm, trials=trials, parameters=parameters)
    whole = searched(config, tmp_path / "whole", Clock(), monkeypatch)
    tried = [record["values"] for record in whole.records]
    assert len(tried) == trials
    own = {"training.learning_rate": 2e-4, "training.epochs": 4, "training.average": "none"}
    assert tried[0] == {key: own[key] for key in tuned}
    assert all(1e-5 <= values["training.learning_rate"] <= 1e-3 for values in tried)
    for stop_at in stops:
        with pytest.raises(KeyboardInterrupt):
            searched(config, tmp_path / "cut", Clock(), monkeypatch, stop_at)
    again = searched(config, tmp_path / "cut", Clock(), monkeypatch)
    assert [record["values"] for record in again.records] == tried
    assert again.seconds == pytest.approx(trials * 60)


def test_no_trial_begins_that_would_not_end_in_time_but_the_first_always(tmp_path, monkeypatch):
    found = searched(config_of(minutes=3.5), tmp_path, Clock(), monkeypatch)
    assert [record["status"] for record in found.records] == ["complete"] * 3
    # With more minutes it goes on from there.
    found = searched(config_of(minutes=5), tmp_path, Clock(), monkeypatch)
    assert len(found.records) == 5
    found = searched(config_of(minutes=0.1), tmp_path / "short", Clock(), monkeypatch)
    assert len(found.records) == 1


def test_a_trial_that_fails_is_said_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "time", Clock())
    figures = iter([0.5, float("nan"), OSError("no\nspace"), 0.7])

    def run(*_: object) -> float:
        found = next(figures)
        if isinstance(found, Exception):
            raise found
        return found

    done = Search(config_of(trials=4), "accuracy", tmp_path / "search", run)
    done.search()
    assert [record["score"] for record in done.records] == [0.5, None, None, 0.7]
    assert done.records[2]["status"] == "failed: no space"
    shown = trials_table({"metric": "accuracy", "trials": done.records}).splitlines()
    assert [line.split()[0] for line in shown] == ["trial", "4", "1", "2", "3"]


def test_a_search_without_figures_ends_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "time", Clock())
    hopeless = Search(config_of(), "f1", tmp_path / "search", lambda *_: float("nan"))
    with pytest.raises(DataError, match=r"three trials in a row .* the last failed: f1 cannot"):
        hopeless.search()


def test_the_best_values_are_written_as_a_config_that_runs(tmp_path):
    source, output = tmp_path / "m.yaml", tmp_path / "out" / "m.tuned.yaml"
    source.write_text(
        yaml.safe_dump({"name": "m", "task": "token", "tuning": {"parameters": PARAMETERS}}),
        encoding="utf-8",
    )
    values = {"training.learning_rate": 3e-5, "training.augmentation.mask": 0.1}
    trial = {"trial": 1, "values": values, "score": 0.61, "curve": [], "seconds": 9.0}
    tuning = {"metric": "entity_f1", "best": 1, "seconds": 130, "trials": [trial]}
    write_tuned(source, ["training.seed=5"], tuning, output)
    loaded = configs.load(output)
    assert loaded.tuning is None
    assert (loaded.training.learning_rate, loaded.training.augmentation.mask) == (3e-5, 0.1)
    assert loaded.training.seed == 5
    assert "entity_f1 0.6100" in output.read_text("utf-8").splitlines()[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_best_trial_trains_the_model_and_the_page_shows_them_all(trained, tmp_path):
    source = ["--config", str(_classification(trained))]
    parameters = "{training.learning_rate: {log: [1e-9, 1e-2]}, training.average: [none, ema]}"
    flags = [*trained.flags, "--set", f"tuning.parameters={parameters}"]
    flags += ["--set", "tuning.trials=3", "--set", "evaluation.bounds=[]"]
    flags += ["--set", f"serving.base_path={tmp_path / 'models'}"]
    page = tmp_path / "page.html"
    said = run_pipeline(
        [
            ["tune", *source, *flags, "--output", str(tmp_path / "best.yaml")],
            ["run", *source, *flags],
            ["runs", *source, *flags],
            ["review", *source, *flags, "--output", str(page)],
        ],
        tmp_path,
    )
    assert f"tfx-pipeline run --config {tmp_path / 'best.yaml'}" in said
    assert "tuned: accuracy" in said, "`runs` says what the first came to"
    root = trained.folder / "pipelines" / trained.classification.parent.name
    files = list((root / "Tuner" / "tuner_results").glob(f"*/{TRIALS}"))
    assert len(files) == 1, "the run takes the search over"
    found = json.loads(files[0].read_text("utf-8"))
    assert len(found["trials"]) == 3
    best = found["trials"][found["best"] - 1]
    assert best["score"] == max(trial["score"] for trial in found["trials"])
    version = next((tmp_path / "models" / root.name).iterdir())
    card = json.loads((version / "assets.extra" / "model_card.json").read_text("utf-8"))
    learned = card["config"]["training"]
    assert learned["learning_rate"] == pytest.approx(best["values"]["training.learning_rate"])
    assert learned["average"] == best["values"]["training.average"]
    assert card["metrics"]["accuracy"] == pytest.approx(best["score"]), "a trial is a training"
    tuned = configs.load(tmp_path / "best.yaml")
    assert tuned.training.learning_rate == pytest.approx(learned["learning_rate"])
    assert '"tuning": {"metric": "accuracy"' in page.read_text("utf-8")


def _classification(trained) -> Path:
    name = trained.classification.parent.name
    ours = Path(__file__).resolve().parents[2] / "configs" / f"{name}.yaml"
    return ours if ours.is_file() else trained.folder / f"{name}.yaml"


def test_tune_needs_something_to_search(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntask: anomaly\n", encoding="utf-8")
    command = [sys.executable, "-m", "tfx_pipeline", "tune", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "tuning.parameters: name the values to search" in done.stderr
