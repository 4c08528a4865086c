"""Everything the review page shows of a run, as JSON values."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfx_pipeline import features
from tfx_pipeline.errors import RunNotFoundError
from tfx_pipeline.evaluation import FILE, measure, predictions
from tfx_pipeline.evaluation.predictions import Row
from tfx_pipeline.lineage import RecordedRun
from tfx_pipeline.outcome import read_outcome, schema_changes
from tfx_pipeline.review import curves, statistics

_EXAMPLES = 3
_CLASSES = 100
_DECISIONS = 20_000
_DAY = 86_400e6


def report(run: RecordedRun, runs: Sequence[RecordedRun]) -> dict[str, Any]:
    """Return the report of one run beside the last blessed model; `runs` is all, newest first."""
    outcome = read_outcome(run)
    found = {
        "run": _run(run),
        "verdict": {
            "good": outcome.pushed is not None or outcome.only_tuned,
            "line": outcome.verdict,
        },
        "schema": _schema(run),
        "tuning": outcome.tuning or None,
        "data": _data(run, runs),
    }
    if not outcome.scorecard:
        return found | {"name": "", "task": None}
    folder = _folder(run)
    card = outcome.scorecard
    earlier = predictions.read(folder / predictions.BASELINE_FILE)
    return (
        found
        | _judged(card, predictions.read(folder / predictions.FILE), earlier)
        | {
            "learning": _learning(run),
            "gate": _gate(run),
        }
    )


def comparison(run: RecordedRun, other: RecordedRun, runs: Sequence[RecordedRun]) -> dict[str, Any]:
    """Return the report of `run` with `other` in the place of the last blessed model.

    Raises:
        RunNotFoundError: one of the two never reached the Scorecard.
    """
    folders = [_folder(found) for found in (other, run)]
    cards = [json.loads((folder / FILE).read_text("utf-8")) for folder in folders]
    before, after = cards
    if before["task"] != after["task"]:
        raise RunNotFoundError(f"{other.run_id} and {run.run_id} are of different tasks")
    rows = [predictions.read(folder / predictions.FILE) for folder in folders]
    after = after | {"baseline": _difference(before, after, *rows)}
    after["systems"] = [
        system for system in after["systems"] if system["system"] != "last blessed model"
    ]
    after["systems"].insert(1, {**before["systems"][0], "system": f"run {other.run_id}"})
    return (
        report(run, runs)
        | _judged(after, rows[1], rows[0])
        | {"compared": _run(other) | {"line": read_outcome(other).verdict}}
    )


def _judged(card: dict[str, Any], rows: list[Row], earlier: list[Row]) -> dict[str, Any]:
    task = card["task"]
    names = [name for name in features.MEASURED[task] if card["systems"][0].get(name) is not None]
    return {
        "name": card["name"],
        "task": task,
        "counts": card["counts"],
        "positives": card["positives"],
        "metrics": [{"name": n, "better": features.MEASURED[task][n]} for n in names],
        "bounds": card["verdict"]["bounds"],
        # Scorecards of earlier versions have none.
        "behind": card["verdict"].get("behind"),
        "systems": card["systems"],
        "intervals": card["intervals"],
        "baseline": card["baseline"],
        "slices": card["slices"],
        "fairness": card["fairness"],
        "mistakes": card["mistakes"],
        "curves": _curves(task, rows, earlier),
        "confusion": curves.confusion(task, rows) if task != "regression" else None,
        "threshold": _threshold(card, rows),
        "scatter": _scatter(rows) if task == "regression" else None,
        **_examples(task, rows),
    }


def _curves(task: str, rows: list[Row], earlier: list[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {"precision_recall": [], "roc": [], "calibration": []}
    for name, part in (("this model", rows), ("the model before", earlier)):
        asserted, wanted = curves.decisions(task, part)
        for key, points in (
            ("precision_recall", curves.precision_recall(asserted, wanted)),
            ("roc", curves.receiver_operating(asserted)),
            ("calibration", curves.reliability(asserted)),
        ):
            if points:
                found[key].append({"name": name, "points": points})
    return found


def _threshold(card: dict[str, Any], rows: list[Row]) -> dict[str, Any] | None:
    asserted, wanted = curves.decisions(card["task"], rows)
    if not asserted:
        return None
    # The page stays small; every n-th of the ranked scores tells as much.
    ranked = sorted(asserted)
    step = -(-len(ranked) // _DECISIONS)
    times = [row["time"] for row in rows if row["time"] is not None]
    days = (max(times) - min(times)) / _DAY if times else 0
    return {
        "scores": [round(score, 7) for score, _ in ranked[::step]],
        "right": [int(right) for _, right in ranked[::step]],
        "every": step,
        "wanted": wanted,
        "current": card["threshold"] if card["task"] == "anomaly" else 0.0,
        "days": round(days, 4) if days > 0 else None,
    }


def _scatter(rows: list[Row]) -> list[tuple[float, float]]:
    step = -(-len(rows) // 2000)
    return [(round(r["truth"], 4), round(r["predicted"], 4)) for r in rows[::step]]


def _examples(task: str, rows: list[Row]) -> dict[str, Any]:
    """Return a few events of each class, of the commonest of very many, and how many there are."""
    if task == "regression":
        ranked = sorted(rows, key=lambda row: row["truth"])
        thirds = [ranked[i * len(ranked) // 3 : (i + 1) * len(ranked) // 3] for i in range(3)]
        classes = dict(zip(("low", "middle", "high"), thirds, strict=True))
    elif task == "token":
        classes = {}
        for row in rows:
            for kind in {span[0] for span in row["truth"]} or {"no entity"}:
                classes.setdefault(kind, []).append(row)
    else:
        classes = {}
        for row in rows:
            classes.setdefault(row["truth"], []).append(row)
    found = []
    for label, members in sorted(classes.items(), key=lambda item: -len(item[1]))[:_CLASSES]:
        distinct = list({row["text"]: row for row in members}.values())
        step = max(1, len(distinct) // _EXAMPLES)
        found.append({"label": label, "events": len(members), "rows": distinct[::step][:_EXAMPLES]})
    return {"examples": found, "classes": len(classes)}


def _learning(run: RecordedRun) -> list[dict[str, Any]]:
    """Return the training's figures of each epoch as series."""
    made = run.find("Trainer", "model_run")
    file = None if made is None else made.uri / features.HISTORY
    if file is None or not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        epochs = list(csv.DictReader(lines))
    return [
        {"name": name, "points": [[int(row["epoch"]) + 1, float(row[name])] for row in epochs]}
        for name in (epochs[0] if epochs else {})
        if name != "epoch" and all(row[name] for row in epochs)
    ]


def _data(run: RecordedRun, runs: Sequence[RecordedRun]) -> dict[str, Any]:
    made = run.find("StatisticsGen", "statistics")
    if made is None:
        return {"spans": run.spans, "before": None, "features": []}
    earlier = [
        other
        for other in runs
        if other.span is not None
        and run.span is not None
        and other.span < run.span
        and other.find("StatisticsGen", "statistics")
    ]
    last = max(earlier, key=lambda other: other.span or 0, default=None)
    before = None if last is None else last.find("StatisticsGen", "statistics")
    return {
        "spans": run.spans,
        "before": None if last is None else last.spans,
        "features": statistics.describe(made.uri, None if before is None else before.uri),
    }


def _schema(run: RecordedRun) -> list[str]:
    """Return what changed since the run before, then where the splits of this one differ."""
    made = run.find("SchemaCheck", "changes")
    found = [] if made is None else schema_changes(made)
    splits = run.find("ExampleValidator", "anomalies")
    return found if splits is None else found + statistics.schema_changes(splits.uri)


def _gate(run: RecordedRun) -> dict[str, Any] | None:
    made = run.find("ServingGate", "blessing")
    file = None if made is None else made.uri / "gate.json"
    return json.loads(file.read_text("utf-8")) if file is not None and file.is_file() else None


def _run(run: RecordedRun) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "started": run.started.strftime("%Y-%m-%d %H:%M %Z"),
        "spans": run.spans,
    }


def _folder(run: RecordedRun) -> Path:
    made = run.find("Scorecard", "scorecard")
    if made is None or not (made.uri / FILE).is_file():
        raise RunNotFoundError(f"run {run.run_id}: {read_outcome(run).why[0]}; nothing to compare")
    return made.uri


def _difference(
    before: dict[str, Any], after: dict[str, Any], earlier: list[Row], rows: list[Row]
) -> dict[str, Any]:
    """Return the other run's figures, with the paired difference on the events both judged."""
    known = {row["event_id"]: row for row in earlier}
    shared = [(row, known[row["event_id"]]) for row in rows if row["event_id"] in known]
    difference = {}
    if shared:
        task = after["task"]
        both = [
            (
                measure.measure_of(task, card["threshold"], None),
                predictions.columns(task, [pair[side] for pair in shared]),
            )
            for side, card in ((0, after), (1, before))
        ]
        difference = measure.intervals(*both[0], 200, both[1])
    return {
        "threshold": before["threshold"],
        "metrics": {n: v for n, v in before["systems"][0].items() if n != "system"},
        "intervals": before["intervals"],
        "difference": difference,
    }
