"""Measures the four tasks on public data: python benchmarks/quality.py --data DATA

DATA holds loghub/BGL_2k.log, vader/tweets_ground_truth.tsv, wnut17/*.conll and
banking77/*.csv. Each is imported and run through `tfx-pipeline` with its config in configs/,
which names every setting; nothing is chosen on the test part. Prints the figures of the test
part with 95 % bootstrap intervals, beside trivial baselines on the same events. What was trained
before with the same settings on the same data is not trained again (--work keeps it). `--seeds N`
trains each model with N seeds and prints the spread; `--set KEY=VALUE` tries another setting.

It takes one to two hours on two cores; `--only bgl` takes a few minutes.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfx_pipeline import config
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import predictions
from tfx_pipeline.evaluation.metrics import regression_metrics
from tfx_pipeline.lineage import recorded_runs
from tfx_pipeline.outcome import read_outcome

ROOT = Path(__file__).resolve().parent.parent
_FOLDS = 5
_SAMPLES = 1000


@dataclass(frozen=True)
class Line:
    """One row of the table: a system's figures on a test part, each with its interval or spread."""

    system: str
    figures: dict[str, str]


@dataclass(frozen=True)
class Trainings:
    """Runs the pipeline in a folder of its own, each config and seed once."""

    data: Path
    work: Path
    seeds: int
    settings: Sequence[str] = ()

    def scorecards(self, name: str, files: Sequence[str], model: str = "") -> list[dict[str, Any]]:
        """Import the files, run the model with each seed, and return the scorecards."""
        return [self._scorecard(name, files, model or name, seed) for seed in range(self.seeds)]

    def _scorecard(self, name: str, files: Sequence[str], model: str, seed: int) -> dict[str, Any]:
        path = ROOT / "configs" / f"{name}.yaml"
        settings = [
            f"name={model}-{seed}",
            f"training.seed={seed}",
            f"data.root={self.work / 'data'}",
            f"pipeline_root={self.work / 'pipelines'}",
            f"serving.base_path={self.work / 'models'}",
            *self.settings,
        ]
        loaded = config.load(path, settings)
        flags = ["--config", str(path), *(part for s in settings for part in ("--set", s))]
        if not loaded.spans_path.is_dir():
            given = [part for file in files for part in ("--data", file)]
            self._command("import", *flags, *given)
        # 3 says that the model was not blessed: its figures stand all the same.
        self._command("run", *flags, allowed=(0, 3))
        return _scorecard(loaded)

    def _command(self, *words: str, allowed: Sequence[int] = (0,)) -> None:
        print("$ tfx-pipeline", *words, file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "tfx_pipeline", *words]
        code = subprocess.run(command, stdout=sys.stderr, check=False, cwd=ROOT).returncode  # noqa: S603 - our own command
        if code not in allowed:
            sys.exit(f"quality: tfx-pipeline {words[0]} ended with {code}")


def _scorecard(loaded: PipelineConfig) -> dict[str, Any]:
    run = recorded_runs(loaded.metadata)[0]
    made = run.find("Scorecard", "scorecard")
    if made is None:
        sys.exit(f"quality: the run of {loaded.name} ended before its Scorecard")
    rows = predictions.read(made.uri / predictions.FILE)
    return {**read_outcome(run).scorecard, "rows": rows}


def _lines(cards: Sequence[dict[str, Any]], metrics: Sequence[str]) -> Iterator[Line]:
    """Yield livebert and the baselines; one seed with its interval, several with their spread."""
    first = cards[0]
    figures = {}
    for metric in metrics:
        values = [card["systems"][0][metric] for card in cards]
        low, high = first["intervals"].get(metric) or (float("nan"), float("nan"))
        figures[metric] = f"{values[0]:.3f} [{low:.3f}, {high:.3f}]"
        if len(values) > 1:
            mean, spread = statistics.mean(values), statistics.stdev(values)
            figures[metric] += f", {len(values)} seeds {mean:.3f} ± {spread:.3f}"
    yield Line("livebert", figures)
    for system in first["systems"][1:]:
        shown = {m: "-" if system.get(m) is None else f"{system[m]:.3f}" for m in metrics}
        yield Line(system["system"], shown)


def bgl(trainings: Trainings) -> Iterator[Line]:
    """Alerts of the last 40 % of a log; all of their templates are new."""
    cards = trainings.scorecards("bgl", [str(trainings.data / "loghub" / "BGL_2k.log")])
    yield from _lines(cards, ["average_precision", "f1", "best_f1"])


def wnut17(trainings: Trainings) -> Iterator[Line]:
    """Entities in noisy texts."""
    folder = trainings.data / "wnut17"
    parts = (("train", "train"), ("train", "dev"), ("test", "test"))
    files = [f"{split}={folder / part}.conll" for split, part in parts]
    cards = trainings.scorecards("wnut17", files)
    yield from _lines(cards, ["entity_f1", "entity_precision", "entity_recall"])


def banking77(trainings: Trainings) -> Iterator[Line]:
    """Intents of customers' messages."""
    folder = trainings.data / "banking77"
    files = [f"{split}={folder / split}.csv" for split in ("train", "test")]
    yield from _lines(trainings.scorecards("banking77", files), ["accuracy", "macro_f1"])


def vader(trainings: Trainings) -> Iterator[Line]:
    """Sentiment of tweets, five folds of a fifth each, every tweet judged once."""
    source = trainings.data / "vader" / "tweets_ground_truth.tsv"
    tweets = source.read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(0).shuffle(tweets)  # noqa: S311 - folds, not secrets
    folder = trainings.work / "vader-folds"
    folder.mkdir(parents=True, exist_ok=True)
    folds = []
    for fold in range(_FOLDS):
        parts = {"train": folder / f"{fold}-train.tsv", "test": folder / f"{fold}-test.tsv"}
        seen = [tweet for row, tweet in enumerate(tweets) if row % _FOLDS != fold]
        parts["train"].write_text("".join(seen), encoding="utf-8")
        parts["test"].write_text("".join(tweets[fold::_FOLDS]), encoding="utf-8")
        given = [f"{split}={path}" for split, path in parts.items()]
        folds.append(trainings.scorecards("vader", given, f"vader-fold-{fold}"))
    by_name = [{one["system"]: one for one in cards[0]["systems"]} for cards in folds]
    # What was pushed before stands beside a model in its own fold alone.
    for name in (name for name in by_name[0] if all(name in systems for systems in by_name)):
        figures = {}
        for metric in ("pearson", "spearman", "rmse"):
            values = [systems[name][metric] for systems in by_name]
            if None in values:
                figures[metric] = "-"
                continue
            mean, spread = statistics.mean(values), statistics.stdev(values)
            figures[metric] = f"{mean:.3f} ± {spread:.3f}"
            if name == "livebert":
                rows = [row for cards in folds for row in cards[0]["rows"]]
                low, high = _interval(rows, metric)
                figures[metric] += f" [{low:.3f}, {high:.3f}]"
        yield Line(name, figures)


def _interval(rows: Sequence[dict[str, Any]], metric: str) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over the tweets of all folds."""
    predicted = np.array([row["predicted"] for row in rows])
    truth = np.array([row["truth"] for row in rows])
    dice = np.random.default_rng(0)
    drawn = [dice.integers(0, len(rows), len(rows)) for _ in range(_SAMPLES)]
    found = [regression_metrics(predicted[chosen], truth[chosen])[metric] for chosen in drawn]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


TABLES: dict[str, Callable[[Trainings], Iterator[Line]]] = {
    "bgl": bgl,
    "vader": vader,
    "wnut17": wnut17,
    "banking77": banking77,
}


def main() -> None:
    """Print a table for each set of data."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of public data")
    parser.add_argument("--work", type=Path, default=Path(".livebert/quality"))
    parser.add_argument("--only", choices=TABLES, action="append", help="may be repeated")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each model")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a config's key"
    )
    given = parser.parse_args()
    trainings = Trainings(given.data.absolute(), given.work.absolute(), given.seeds, given.set)
    for name in given.only or TABLES:
        lines = list(TABLES[name](trainings))
        columns = list(lines[0].figures)
        print(f"\n{name}: {TABLES[name].__doc__}\n")
        print("|  |", " | ".join(columns), "|")
        print("|---|", " | ".join("---" for _ in columns), "|")
        for line in lines:
            print("|", line.system, "|", " | ".join(line.figures[c] for c in columns), "|")
        print(flush=True)


if __name__ == "__main__":
    main()
