from __future__ import annotations

import math

import numpy as np
import pytest

from tfx_pipeline import features
from tfx_pipeline.config import MetricBound
from tfx_pipeline.evaluation.baselines import (
    Labelled,
    anomaly_baselines,
    classification_baselines,
    template,
)
from tfx_pipeline.evaluation.judge import failures
from tfx_pipeline.evaluation.metrics import (
    anomaly_metrics,
    as_json,
    classification_metrics,
    regression_metrics,
)
from tfx_pipeline.model.calibration import (
    Calibration,
    best_threshold,
    budget_threshold,
    fit_calibration,
)


def test_anomaly_metrics_on_a_case_worked_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.2])
    truth = np.array([True, False, True, False])
    found = anomaly_metrics(scores, truth, threshold=0.75)
    assert found["average_precision"] == pytest.approx(1.0 * 0.5 + 2 / 3 * 0.5)
    assert (found["precision"], found["recall"], found["f1"]) == (0.5, 0.5, 0.5)
    assert found["best_f1"] == pytest.approx(0.8)


def test_without_a_positive_there_is_no_figure():
    found = anomaly_metrics(np.array([0.1]), np.array([False]), 0.5)
    assert found.pop("calibration_error") == pytest.approx(0.1)  # needs no positive
    assert all(math.isnan(value) for value in found.values())
    assert set(as_json(found).values()) == {None}


def test_classification_metrics():
    found = classification_metrics(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


@pytest.mark.parametrize(("alerts", "raised"), [(0, 0), (1, 1), (2, 1), (3, 1), (4, 4), (9, 5)])
def test_a_budget_of_alerts_is_never_exceeded(alerts, raised):
    # Three equal scores cannot be parted: all of them, or none.
    scores = np.array([0.2, 0.7, 0.7, 0.7, 0.9])
    assert (scores >= budget_threshold(scores, alerts)).sum() == raised


def test_the_best_threshold_cannot_part_equal_scores():
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    truth = np.array([True, True, False, False])
    threshold = best_threshold(scores, truth)
    assert 0.1 < threshold < 0.5


def test_calibration_gives_probabilities_and_keeps_the_order():
    random = np.random.default_rng(0)
    logits = random.normal(size=4000)
    truth = random.random(4000) < 1 / (1 + np.exp(-(2 * logits - 1)))
    fitted = fit_calibration(logits, truth)
    assert fitted.slope == pytest.approx(2, abs=0.3)
    assert fitted.offset == pytest.approx(-1, abs=0.3)
    assert fitted.score(np.array([-9.0, 9.0])).tolist() == pytest.approx([0, 1], abs=1e-3)


@pytest.mark.parametrize("truth", [[False, False], [True, True]])
def test_one_class_alone_calibrates_nothing(truth):
    assert fit_calibration(np.array([1.0, 2.0]), np.array(truth)) == Calibration()


def test_a_backward_ranking_is_not_turned_round():
    logits, truth = np.arange(20.0), np.arange(20) < 10
    assert fit_calibration(logits, truth) == Calibration()


def test_a_constant_correlates_with_nothing():
    truth = np.random.default_rng(0).normal(size=3207)
    found = regression_metrics(np.full(3207, 0.504), truth)
    assert math.isnan(found["pearson"])
    assert math.isnan(found["spearman"])


def test_templates_mask_what_varies():
    assert template("error 42 at 0xdeadBEEF of 7") == "error * at * of *"


def test_the_unseen_template_rule_alerts_on_unseen_templates_only():
    train = Labelled(["job 1 done", "job 2 done", "disk 3 bad"], np.array([0, 0, 1]))
    test = Labelled(["job 9 done", "fan 1 stopped", "link 2 up"], np.array([0, 1, 0]))
    found = anomaly_baselines(train, train, test)
    assert found["unseen-template rule"]["recall"] == 1
    assert found["unseen-template rule"]["precision"] == 0.5
    assert found["majority"]["f1"] == 0
    assert "TF-IDF + logistic regression" in found


def test_the_trivial_baselines_keep_the_alert_budget_too():
    train = Labelled(["job 1 done", "job 2 done", "disk 3 bad"] * 5, np.array([0, 0, 1] * 5))
    texts = ["job 9 done", "disk 4 bad", "bad fan", "link up", "disk 5 bad"]
    test = Labelled(texts, np.array([0, 1, 1, 0, 1]))
    found = anomaly_baselines(train, train, test, alerts=2)
    # Nothing is above anything: all five are the first two, and no alert is raised.
    assert found["majority"]["budget_precision"] == pytest.approx(3 / 5)
    assert found["majority"]["unseen_template_recall"] == 0
    # The two unseen are "bad fan" and "link up", of which the first is an anomaly.
    assert found["unseen-template rule"]["budget_precision"] == pytest.approx(1 / 2)
    assert found["unseen-template rule"]["unseen_template_recall"] == 1
    # Of "disk * bad" it knows two words, of "bad fan" one: the first two are both "disk".
    assert found["TF-IDF + logistic regression"]["budget_precision"] == 1
    assert "budget_precision" not in anomaly_baselines(train, train, test)["majority"]


def test_classification_baselines():
    train = Labelled(["red apple", "red cherry", "green lime"], np.array([0, 0, 1]))
    test = Labelled(["a red car", "a green car"], np.array([0, 1]))
    found = classification_baselines(train, test)
    assert found["majority"]["accuracy"] == 0.5
    assert found["TF-IDF + logistic regression"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("name", "value", "may", "line"),
    [
        ("pearson", 0.7, 0.0, "-0.1000 against the trivial baseline ridge; may trail by 0"),
        ("pearson", 0.7, 0.11, None),
        ("pearson", 0.8, 0.0, None),
        ("rmse", 0.7, 0.05, "+0.1000 against the trivial baseline ridge; may trail by 0.05"),
        ("rmse", 0.5, 0.0, None),
    ],
)
def test_a_model_that_a_trivial_method_beats_is_refused(name, value, may, line):
    # The mean has no correlation: it cannot be beaten in that.
    trivial = {
        "mean": {"pearson": math.nan, "rmse": 1.0},
        "ridge": {"pearson": 0.8, "rmse": 0.6},
    }
    bound = MetricBound(metric=name, may_trail=may)
    found = failures([bound], {name: value}, None, trivial, features.MEASURED["regression"])
    assert found == ([] if line is None else [f"{name} is {value:.4f}, {line}"])


def test_the_reference_figures_of_a_real_log(data):
    lines = (data / "loghub" / "BGL_2k.log").read_text().splitlines()
    texts = [line.split(" ", 9)[9] for line in lines]
    ids = np.array([int(line[0] != "-") for line in lines])
    train, test = Labelled(texts[:1200], ids[:1200]), Labelled(texts[1200:], ids[1200:])
    found = anomaly_baselines(train, train, test)
    assert found["TF-IDF + logistic regression"]["average_precision"] > 0.8
    rule = found["unseen-template rule"]
    assert rule["recall"] == 1
    assert rule["precision"] == pytest.approx(0.07, abs=0.01)
    assert rule["f1"] == pytest.approx(0.14, abs=0.01)


def test_one_positive_does_not_saturate_the_scores():
    random = np.random.default_rng(0)
    logits = np.append(random.normal(-6, 1, 239), 3.0)
    truth = np.arange(240) == 239
    fitted = fit_calibration(logits, truth)
    others = fitted.score(np.linspace(0, 8, 50)).astype(np.float32)
    assert len(set(others)) == 50
    assert 0.5 < fitted.score(np.array([3.0]))[0] < 0.9
