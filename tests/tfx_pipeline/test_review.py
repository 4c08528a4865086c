"""The review page of runs of all four tasks, and what a person does with it in a browser."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import FILE, predictions
from tfx_pipeline.evaluation.figures import Answers, mistakes, scorecard_of
from tfx_pipeline.lineage import Made, RecordedRun
from tfx_pipeline.outcome import read_outcome
from tfx_pipeline.review.curves import confusion
from tfx_pipeline.review.page import render
from tfx_pipeline.review.report import comparison, report
from tfx_pipeline.show import scorecard_table
from tfx_pipeline.tuning import TRIALS

ROOT = Path(__file__).resolve().parents[2]
DAY = 86_400_000_000
TUNING = {
    "metric": "accuracy",
    "best": 2,
    "seconds": 95,
    "trials": [
        {
            "trial": n,
            "values": {"training.learning_rate": 10.0**-n, "training.average": "ema"},
            "status": "complete" if n < 4 else "out of time",
            "score": 0.9 - abs(n - 2) / 10 if n < 4 else None,
            "curve": [0.1] * n,
            "seconds": 20.0 + n,
        }
        for n in (1, 2, 3, 4)
    ],
}


def rows_of(task: str, noise: float) -> list[predictions.Row]:
    """Make answers of a model that is worse with more noise."""
    random = np.random.default_rng(1)
    rows = []
    for number in range(300):
        common = {
            "event_id": str(number),
            "time": number * DAY // 100,
            "text": f"disk </script> <b>{number % 7}</b> ünï was replaced",
            "features": {"service": "abc"[number % 3]},
        }
        if task == "anomaly":
            bad = number % 10 == 0
            score = float(np.clip(0.8 * bad + random.normal(0.1, noise), 0, 1))
            said = {
                "truth": "anomaly" if bad else "normal",
                "predicted": "anomaly" if score >= 0.5 else "normal",
                "score": score,
                "novelty": 0.1,
                "unseen": number % 20 == 0,
            }
        elif task == "classification":
            truth = f"label {number % 40}"
            right = random.random() > noise
            said = {
                "truth": truth,
                "predicted": truth if right else "label 0",
                "score": float(np.clip(random.normal(0.8 if right else 0.5, 0.1), 0, 1)),
                "top": [],
            }
        elif task == "regression":
            truth = float(random.normal())
            said = {"truth": truth, "predicted": truth + float(random.normal(0, noise))}
        else:
            found = [["place", 5, 14, 0.9]] if random.random() > noise else [["place", 0, 4, 0.4]]
            said = {"truth": [["place", 5, 14]], "predicted": found}
        rows.append({**common, **said})
    return rows


def recorded(
    folder: Path, task: str, noise: float, before: float | None, **trivial: float
) -> RecordedRun:
    """Write what the Scorecard writes, and return the run that would have made it."""
    config = PipelineConfig.model_validate(
        {
            "name": "m",
            "task": task,
            "data": {"features": ["service"]},
            "evaluation": {
                "slices": [["service"]],
                "fairness": ["service"],
                "alerts_per_day": 10,
                "intervals": 50,
            },
        }
    )
    folder.mkdir()
    candidate = Answers("livebert", rows_of(task, noise), 0.5)
    earlier = None
    if before is not None:
        earlier = Answers("last blessed model", rows_of(task, before), 0.5)
        predictions.write(folder / predictions.BASELINE_FILE, earlier.rows)
    predictions.write(folder / predictions.FILE, candidate.rows)
    shown = [
        row | {"attributions": [["disk ", 0.5], [row["text"][5:], -0.2]]}
        for row in mistakes(task, candidate)
    ]
    card = scorecard_of(config, candidate, earlier, {"majority": trivial})
    card |= {"counts": {"train": 1, "eval": 1, "test": 300}, "mistakes": shown}
    (folder / FILE).write_text(json.dumps(card), encoding="utf-8")
    (folder / "history.csv").write_text(
        "epoch,loss,val_loss\n0,0.9,0.8\n1,0.5,0.6\n", encoding="utf-8"
    )
    (folder / TRIALS).write_text(json.dumps(TUNING), encoding="utf-8")
    pushed = {"pushed_destination": "models/m/7"} if card["verdict"]["blessed"] else {}
    outputs = {
        "Scorecard": {"scorecard": Made(folder, {})},
        "Tuner": {"tuner_results": Made(folder, {})},
        "Trainer": {"model_run": Made(folder, {})},
        "Pusher": {"pushed_model": Made(folder, pushed)},
    }
    started = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
    return RecordedRun(f"2026-01-02T03:04:{len(folder.name):02}", started, outputs, None)


@pytest.mark.parametrize("task", ["anomaly", "classification", "regression", "token"])
def test_the_page_holds_everything_and_asks_for_nothing(tmp_path, task):
    run = recorded(tmp_path / "run", task, 0.1, 0.2)
    found = report(run, [run])
    assert found["verdict"] == {"good": True, "line": "pushed as version 7"}
    assert found["slices"]
    assert found["fairness"][0]["gap"]
    page = render(found)
    assert "http://www.w3.org" in page
    assert page.count("http") == page.count("http://www.w3.org"), "the page must need no network"
    assert page.count("</script>") == 2, "a text of the data ended the element it stands in"


def test_a_worse_model_is_refused_in_one_line_and_the_page_says_so(tmp_path):
    run = recorded(tmp_path / "run", "classification", 0.6, 0.1)
    line = report(run, [run])["verdict"]["line"]
    assert line.startswith("not blessed: accuracy is 0.")
    assert "against the last blessed model; may drop 0.02" in line
    assert "\n" not in line


def test_a_blessed_model_that_a_trivial_method_beats_is_said_to_be_so(tmp_path):
    good = recorded(tmp_path / "run", "classification", 0.1, None, accuracy=0.2)
    assert report(good, [good])["behind"] is None
    run = recorded(tmp_path / "worse", "classification", 0.6, None, accuracy=0.9)
    found = report(run, [run])
    assert found["verdict"]["good"]
    assert "against the trivial baseline majority" in found["behind"]
    assert found["classes"] == len(found["examples"]) == 40


def test_the_budget_and_the_unseen_are_shown_of_the_trivial_methods_too(tmp_path):
    trivial = {"unseen_template_recall": 0.25, "budget_precision": 0.375}
    run = recorded(tmp_path / "run", "anomaly", 0.1, None, **trivial)
    found = report(run, [run])
    assert set(trivial) <= {metric["name"] for metric in found["metrics"]}
    assert trivial.items() <= found["systems"][-1].items()
    whole, slices = scorecard_table(read_outcome(run).scorecard).split("\n\n")
    majority = dict(zip(whole.splitlines()[1].split(), whole.splitlines()[-1].split(), strict=True))
    assert majority["unseen_template_recall"] == "0.250"
    assert majority["budget_precision"] == "0.375"
    assert "unseen_template_recall" in slices
    assert "budget_precision" not in slices


def test_two_runs_are_compared_on_the_events_both_judged(tmp_path):
    before = recorded(tmp_path / "a", "anomaly", 0.3, None)
    after = recorded(tmp_path / "run", "anomaly", 0.05, None)
    found = comparison(after, before, [after, before])
    assert [system["system"] for system in found["systems"][:2]] == [
        "livebert",
        f"run {before.run_id}",
    ]
    low, high = found["baseline"]["difference"]["average_precision"]
    assert 0 < low < high


def test_entities_are_confused_by_kind_and_missed_or_made_up():
    row = {"truth": [["place", 5, 14], ["person", 20, 23]]}
    found = [["person", 5, 14, 0.9], ["person", 30, 33, 0.8]]
    assert confusion("token", [{**row, "predicted": found}]) == {
        "labels": ["nothing", "person", "place"],
        "counts": [[0, 1, 0], [1, 0, 0], [0, 1, 0]],
        "left_out": 0,
    }


def test_a_run_that_only_searched_says_what_it_found(tmp_path):
    run = recorded(tmp_path / "run", "classification", 0.1, None)
    only = replace(run, outputs={"Tuner": run.outputs["Tuner"]})
    found = report(only, [only])
    line = "tuned: accuracy 0.900 on held-out events in trial 2 of 4"
    assert found["verdict"] == {"good": True, "line": line}
    assert found["tuning"]["trials"][3]["status"] == "out of time"
    stopped = replace(only, stopped_at="Trainer")
    assert report(stopped, [stopped])["verdict"]["line"] == "not blessed: stopped at Trainer"


@pytest.fixture(scope="module")
def browser():
    subprocess.run(
        ["bash", str(ROOT / "requirements/services/chromium.sh")], check=True, timeout=600
    )
    spec = importlib.util.spec_from_file_location("browser", Path(__file__).with_name("browser.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.chromium() as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize("task", ["anomaly", "classification", "regression", "token"])
def test_the_page_renders_at_both_widths(browser, tmp_path, task):
    run = recorded(tmp_path / "run", task, 0.2, 0.2)
    page = tmp_path / "page.html"
    page.write_text(render(report(run, [run])), encoding="utf-8")
    for width in (1280, 500):
        browser.resize(width, 900)
        browser.open(page)
        assert browser.ask("document.querySelectorAll('section').length") >= 6
        assert browser.ask("document.querySelectorAll('svg path').length") > 0
        # Wide tables scroll by themselves; the page does not.
        assert browser.ask("document.documentElement.scrollWidth <= window.innerWidth")
        meaning = {"regression": "raised the value", "anomaly": "spoke for an anomaly"}
        said = browser.ask("document.querySelector('#mistakes').innerText")
        assert meaning.get(task, "spoke for the answer") in said
        assert browser.ask("document.body.innerText.match(/NaN|undefined|\\bnull\\b/)") is None
        picture = tmp_path / f"{width}.png"
        browser.screenshot(picture)
        assert picture.stat().st_size > 10_000
    assert browser.errors() == []


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_headings_sort_and_the_threshold_moves_the_figures(browser, tmp_path):
    run = recorded(tmp_path / "run", "anomaly", 0.4, 0.4)
    page = tmp_path / "page.html"
    alerts = "+document.querySelector('#threshold-figures b').textContent"
    found = report(run, [run])
    ranked = [row["score"] for row in rows_of("anomaly", 0.4)]

    def raised(threshold):
        return sum(score >= threshold for score in ranked)

    # The model's own threshold is none of the thousandths that the slider knows.
    chosen = next(s for s in ranked if 0.5 < s < 0.9 and raised(s) != raised(round(s, 3))) - 1e-6
    found["threshold"]["current"] = chosen
    page.write_text(render(found), encoding="utf-8")
    browser.open(page)
    assert browser.ask(alerts) == raised(chosen)

    page.write_text(render(report(run, [run])), encoding="utf-8")
    browser.open(page)
    cells = "[...document.querySelectorAll('#slices td:nth-child(3)')]"
    column = f"{cells}.map(cell => +cell.dataset.value)"
    browser.click("#slices th:nth-child(3) button")
    falling = browser.ask(column)
    assert falling == sorted(falling, reverse=True)
    browser.click("#slices th:nth-child(3) button")
    assert browser.ask(column) == falling[::-1]
    assert falling != falling[::-1]

    before = browser.ask(alerts)
    truth = sum(row["score"] >= 0.5 for row in rows_of("anomaly", 0.4))
    assert before == truth
    browser.type("#threshold", "\ue012" * 150)  # the left arrow key, a thousandth each
    assert browser.ask("document.querySelector('#threshold-value').textContent") == "0.350"
    scores = [round(row["score"], 7) for row in rows_of("anomaly", 0.4)]
    assert browser.ask(alerts) == sum(score >= 0.35 for score in scores) > before
