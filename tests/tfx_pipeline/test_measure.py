"""Figures beside those of scikit-learn, of conlleval's rules, and of cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from tfx_pipeline.evaluation import measure
from tfx_pipeline.evaluation.baselines import regression_baselines, token_baselines
from tfx_pipeline.evaluation.metrics import (
    average_precision,
    budget_precision,
    calibration_error,
    classification_metrics,
    entities,
    entity_metrics,
    roc_auc,
)


def anomalies(count: int = 400) -> list[dict]:
    random = np.random.default_rng(3)
    return [
        {
            "score": round(float(random.random()), 2),
            "truth": "anomaly" if random.random() < 0.2 else "normal",
            "unseen": bool(random.random() < 0.5),
            "features": {"zone": "ab"[number % 2]},
        }
        for number in range(count)
    ]


def test_ranking_with_ties_and_macro_f1_are_those_of_scikit_learn():
    rows = anomalies()
    scores = np.array([row["score"] for row in rows])
    truth = np.array([row["truth"] == "anomaly" for row in rows])
    assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))
    assert roc_auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))
    given, wanted = (np.random.default_rng(seed).integers(0, 5, 300) for seed in (1, 2))
    found = classification_metrics(given, wanted)["macro_f1"]
    assert found == pytest.approx(f1_score(wanted, given, average="macro"))


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("O B-x I-x O", {("x", 1, 3)}),
        ("I-x I-x B-x", {("x", 0, 2), ("x", 2, 3)}),  # without a beginning, and a new one
        ("B-x I-y I-y", {("x", 0, 1), ("y", 1, 3)}),  # another type begins another
        ("B-x B-x", {("x", 0, 1), ("x", 1, 2)}),
        ("O O", set()),
    ],
)
def test_entities_begin_and_end_where_conlleval_has_them(tags, found):
    assert entities(tags.split()) == found


def test_an_entity_counts_with_both_its_ends_and_its_type():
    pairs = [
        ("B-x I-x O B-y", "B-x I-x O B-x"),  # one right, one of another type
        ("B-x I-x O O", "B-x O O O"),  # the end is wrong
    ]
    sets = [(entities(given.split()), entities(wanted.split())) for given, wanted in pairs]
    counts = np.array([(len(a & b), len(a), len(b)) for a, b in sets])
    found = entity_metrics(*counts.T)
    assert found == {
        "entity_f1": pytest.approx(1 / 3),
        "entity_precision": pytest.approx(1 / 3),
        "entity_recall": pytest.approx(1 / 3),
    }


def test_calibration_and_the_budget_by_hand():
    confidence = np.array([0.95, 0.95, 0.05, 0.05])
    right = np.array([True, False, False, False])
    assert calibration_error(confidence, right) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)
    scores, truth = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, False, True, True])
    assert budget_precision(scores, truth, 1) == 1
    # Equal scores cannot be parted: two alerts are three.
    assert budget_precision(scores, truth, 2) == pytest.approx(2 / 3)


def test_a_budget_is_of_the_days_that_the_events_span():
    day = 86_400_000_000
    rows = [{"time": number * day // 4} for number in range(9)]
    assert measure.alert_budget(rows, 3) == 6
    assert measure.alert_budget([{"time": None}], 3) is None
    assert measure.alert_budget(rows, 0.01) == 1


def test_slices_and_fairness_count_what_their_groups_hold():
    rows = anomalies()
    of = measure.measure_of("anomaly", 0.5, None)
    parts = measure.slices(of, "anomaly", rows, [["zone"]])
    assert {part["slice"]: part["events"] for part in parts} == {"zone=a": 200, "zone=b": 200}
    (found,) = measure.fairness("anomaly", rows, 0.5, ["zone"])
    rates = {}
    for zone in "ab":
        normal = [r for r in rows if r["features"]["zone"] == zone and r["truth"] == "normal"]
        rates[zone] = np.mean([row["score"] >= 0.5 for row in normal])
    groups = {group["group"]: group["false_positive_rate"] for group in found["groups"]}
    assert groups == pytest.approx(rates)
    assert found["gap"]["false_positive_rate"] == pytest.approx(abs(rates["a"] - rates["b"]))


def test_an_interval_is_as_wide_as_theory_has_it_and_a_pair_is_nearer_than_two():
    random = np.random.default_rng(0)
    truth = random.normal(size=500)
    one = {"truth": truth, "predicted": truth + random.normal(0, 0.5, 500)}
    two = {"truth": truth, "predicted": one["predicted"] + random.normal(0, 0.05, 500)}
    of = measure.measure_of("regression", 0.5, None)
    low, high = measure.intervals(of, one, 200)["rmse"]
    assert low < of(one)["rmse"] < high
    # The standard error of a root mean square is near sigma / sqrt(2 n).
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(1000), rel=0.3)
    paired = measure.intervals(of, two, 200, (of, one))["rmse"]
    assert paired[1] - paired[0] < (high - low) / 2


def test_the_other_trivial_baselines():
    words = [[("Ann", "B-person"), ("ran", "O")], [("Ann", "O")], [("Ann", "B-person")]]
    assert token_baselines(words, words)["word's commonest tag"]["entity_recall"] == 1
    pairs = [(f"{mood} day number {n}", value) for n in range(9) for mood, value in MOODS]
    found = regression_baselines(pairs, pairs)
    assert np.isnan(found["mean"]["pearson"])
    assert found["TF-IDF + ridge regression"]["pearson"] > 0.9


MOODS = (("good", 1.0), ("bad", -1.0))
