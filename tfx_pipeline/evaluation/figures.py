"""The figures of a scorecard, from what the models answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfx_pipeline import features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import judge, measure, predictions
from tfx_pipeline.evaluation.baselines import template
from tfx_pipeline.evaluation.metrics import as_json

_SHOWN = 20


@dataclass(frozen=True)
class Answers:
    """A model's answers to the test split, and the score from which it raises an alert."""

    system: str
    rows: list[predictions.Row]
    threshold: float


def alert_threshold(card: Mapping[str, Any]) -> float:
    """Return the anomaly score from which a model raises an alert, by its card."""
    return card.get("thresholds", {}).get("alert", 0.5)


def scorecard_of(
    config: PipelineConfig,
    candidate: Answers,
    before: Answers | None,
    baselines: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """Return figures, intervals, slices, fairness and verdict as JSON values.

    `before` are the last blessed model's answers to the same events, `baselines` the metrics of
    the trivial methods.
    """
    task, samples = config.task, config.evaluation.intervals
    alerts = measure.alert_budget(candidate.rows, config.evaluation.alerts_per_day)
    measured = measure.measure_of(task, candidate.threshold, alerts)
    given = predictions.columns(task, candidate.rows)
    found = measured(given)
    systems = [{"system": candidate.system, **as_json(found)}]
    baseline = None
    if before is not None:
        others = (
            measure.measure_of(task, before.threshold, alerts),
            predictions.columns(task, before.rows),
        )
        earlier = others[0](others[1])
        systems.append({"system": before.system, **as_json(earlier)})
        baseline = {
            "threshold": before.threshold,
            "metrics": as_json(earlier),
            "intervals": measure.intervals(*others, samples),
            "difference": measure.intervals(measured, given, samples, others),
        }
    bounds = judge.bounds(config)
    why = judge.failures(
        bounds,
        found,
        earlier if baseline is not None else None,
        baselines,
        features.MEASURED[task],
    )
    return {
        "name": config.name,
        "task": task,
        "split": "test",
        "threshold": candidate.threshold,
        "alerts": alerts,
        "positives": int(given["truth"].sum()) if task == "anomaly" else None,
        "verdict": {
            "blessed": not why,
            "why": why,
            # Said of a blessed model too: a bound that asks for more is the user's to set.
            "behind": judge.trailing(
                features.MAIN_METRIC[task], found, baselines, features.MEASURED[task]
            ),
            "bounds": [bound.model_dump(exclude_none=True) for bound in bounds],
        },
        "systems": systems + [{"system": n, **as_json(dict(v))} for n, v in baselines.items()],
        "intervals": measure.intervals(measured, given, samples),
        "baseline": baseline,
        # A budget of alerts is one for all events, not one for each slice.
        "slices": measure.slices(
            measure.measure_of(task, candidate.threshold, None),
            task,
            candidate.rows,
            config.evaluation.slices,
        ),
        "fairness": measure.fairness(
            task, candidate.rows, candidate.threshold, config.evaluation.fairness
        ),
    }


def mistakes(task: str, answers: Answers) -> list[predictions.Row]:
    """Return the events answered most wrongly, one of each template with how `often` it occurs.

    Worst is: surest and wrong; furthest from the truth; most entities missed or made up.
    """
    wrong = [row for row in answers.rows if not predictions.is_right(task, row)]

    def badness(row: predictions.Row) -> float:
        if task == "regression":
            return abs(row["predicted"] - row["truth"])
        if task == "token":
            given = {tuple(span[:3]) for span in row["predicted"]}
            return len(given ^ {tuple(span[:3]) for span in row["truth"]})
        return abs(row["score"] - answers.threshold) if task == "anomaly" else row["score"]

    found: dict[str, predictions.Row] = {}
    for row in sorted(wrong, key=badness, reverse=True):
        first = found.setdefault(template(row["text"]), row | {"often": 0})
        first["often"] += 1
    return list(found.values())[:_SHOWN]
