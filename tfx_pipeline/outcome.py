"""What a run came to: the verdict with its reason, the pushed version, the scorecard.

Read from ML Metadata, so that it is what the components recorded and not what we hope.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tfx_pipeline.evaluation import FILE
from tfx_pipeline.lineage import SCHEMA_CHANGES, Made, RecordedRun
from tfx_pipeline.tuning import TRIALS


@dataclass(frozen=True)
class Outcome:
    """`pushed` is the version's path or URL, None when the model was not pushed.

    `blessed` is the Scorecard's verdict, `why` says in a line each why a model was not blessed,
    not fit to serve, or not pushed. `scorecard` is empty when the run ended before it, `tuning`
    when it had no Tuner or ended before that; `only_tuned` says that it was to go no further.
    """

    blessed: bool
    why: tuple[str, ...]
    pushed: str | None
    scorecard: dict[str, Any]
    tuning: dict[str, Any] = field(default_factory=dict)
    only_tuned: bool = False

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        if self.only_tuned:
            return self.why[0]
        if self.pushed is not None:
            return f"pushed as version {self.pushed.rpartition('/')[2]}"
        return f"{'not pushed' if self.blessed else 'not blessed'}: {'; '.join(self.why)}"


def read_outcome(run: RecordedRun) -> Outcome:
    """Read the outcome of a recorded run."""
    tuning = _tuning(run)
    if tuning and run.stopped_at is None and "Trainer" not in run.outputs:
        return Outcome(False, (_tuned(tuning),), None, {}, tuning, only_tuned=True)
    made = run.find("Scorecard", "scorecard")
    if run.stopped_at is not None or made is None:
        return Outcome(False, (_stopped(run),), None, {}, tuning)
    pushed = run.find("Pusher", "pushed_model")
    where = pushed.properties.get("pushed_destination") if pushed is not None else None
    if not (made.uri / FILE).is_file():
        gone = f"its results are gone from {made.uri}"
        return Outcome(where is not None, (gone,), where, {}, tuning)
    card = json.loads((made.uri / FILE).read_text("utf-8"))
    why = [*card["verdict"]["why"]]
    for component, output in (("ServingGate", "blessing"), ("Pusher", "pushed_model")):
        found = run.find(component, output)
        if found is not None and found.properties.get("why"):
            why.append(found.properties["why"])
    return Outcome(
        blessed=card["verdict"]["blessed"],
        why=tuple(why),
        pushed=where,
        scorecard=card,
        tuning=tuning,
    )


def _tuning(run: RecordedRun) -> dict[str, Any]:
    made = run.find("Tuner", "tuner_results")
    if made is None or not (made.uri / TRIALS).is_file():
        return {}
    return json.loads((made.uri / TRIALS).read_text("utf-8"))


def _tuned(tuning: dict[str, Any]) -> str:
    best = tuning["trials"][tuning["best"] - 1]
    count = len(tuning["trials"])
    return (
        f"tuned: {tuning['metric']} {best['score']:.3f} on held-out events in trial "
        f"{best['trial']} of {count}"
    )


def _stopped(run: RecordedRun) -> str:
    changes = run.find("SchemaCheck", "changes")
    if run.stopped_at == "SchemaGate" and changes is not None:
        return f"the schema changed: {'; '.join(schema_changes(changes))}"
    return f"stopped at {run.stopped_at or 'its start'}"


def schema_changes(made: Made) -> list[str]:
    """Read what SchemaCheck found, a line for each change; nothing once its file is gone."""
    file = made.uri / SCHEMA_CHANGES
    return json.loads(file.read_text("utf-8")) if file.is_file() else []
