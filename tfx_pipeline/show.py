"""Outcomes as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfx_pipeline import features
from tfx_pipeline.outcome import read_outcome

if TYPE_CHECKING:
    from tfx_pipeline.config import PipelineConfig
    from tfx_pipeline.lineage import RecordedRun

_COLUMNS = {
    "anomaly": (
        *("average_precision", "f1", "precision", "recall", "best_f1"),
        *("unseen_template_recall", "budget_precision"),
    ),
    "classification": ("accuracy", "macro_f1"),
    "regression": ("pearson", "spearman", "rmse"),
    "token": ("entity_f1", "entity_precision", "entity_recall"),
}


def scorecard_table(card: dict[str, Any]) -> str:
    """Show the systems side by side, then the slices."""
    columns = [name for name in _COLUMNS[card["task"]] if name in card["systems"][0]]
    parts = [f"on {card['counts'][card['split']]} events of the {card['split']} split"]
    if card["positives"] is not None:
        parts.append(f"{card['positives']} of them anomalies")
    lines = [", ".join(parts)]
    lines += _table(
        ("system", *columns), [(r["system"], *_values(r, columns)) for r in card["systems"]]
    )
    if card["slices"]:
        lines.append("")
        # A budget of alerts is one for all events, not one for each slice.
        columns = [name for name in columns if name in card["slices"][0]]
        rows = [(r["slice"], str(r["events"]), *_values(r, columns)) for r in card["slices"]]
        lines += _table(("slice", "events", *columns), rows)
    return "\n".join(lines)


def runs_table(config: PipelineConfig, runs: Sequence[RecordedRun]) -> str:
    """List the runs of a pipeline, the newest first, with what each came to."""
    if not runs:
        return f"{config.root}: no runs yet"
    main = features.MAIN_METRIC[config.task]
    rows = []
    for run in runs:
        outcome = read_outcome(run)
        value = outcome.scorecard["systems"][0].get(main) if outcome.scorecard else None
        baseline = outcome.scorecard.get("baseline")
        before = baseline["metrics"].get(main) if baseline else None
        figures = ["-" if figure is None else f"{figure:.3f}" for figure in (value, before)]
        rows.append((run.run_id, run.spans or "-", *figures, outcome.verdict))
    header = ("run", "spans", main, "before", "verdict")
    # The verdict is a sentence: it stands last, on the left of its column.
    lines = _table(header[:-1], [row[:-1] for row in rows])
    ends = (header[-1], *(row[-1] for row in rows))
    return "\n".join(f"{line}  {end}" for line, end in zip(lines, ends, strict=True))


def lineage_table(run: RecordedRun, runs: Sequence[RecordedRun]) -> str:
    """List what a run made or took over: the component, its output, the run that made it, where.

    `runs` are all, the newest first.
    """
    first = {
        made.uri: other.run_id
        for other in runs
        for outputs in other.outputs.values()
        for made in outputs.values()
    }
    rows = [
        (component, name, "this run" if first[made.uri] == run.run_id else first[made.uri])
        for component, outputs in run.outputs.items()
        for name, made in outputs.items()
    ]
    places = [str(made.uri) for outputs in run.outputs.values() for made in outputs.values()]
    lines = _table(("component", "output", "made by"), rows)
    return "\n".join(f"{line}  {end}" for line, end in zip(lines, ["path", *places], strict=True))


def trials_table(tuning: dict[str, Any]) -> str:
    """List the trials of a search, the best first, those without a figure last."""
    keys = list(tuning["trials"][0]["values"])
    ranked = sorted(tuning["trials"], key=lambda found: -(found["score"] or float("-inf")))
    rows = [
        (
            str(found["trial"]),
            "-" if found["score"] is None else f"{found['score']:.4f}",
            *(value_text(found["values"][key]) for key in keys),
            str(len(found["curve"])),
            f"{found['seconds']:.0f}",
            found["status"],
        )
        for found in ranked
    ]
    names = [key.removeprefix("training.") for key in keys]
    return "\n".join(
        _table(("trial", tuning["metric"], *names, "steps", "seconds", "status"), rows)
    )


def value_text(value: Any) -> str:
    """Show a value of the config: a float in four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _values(row: dict[str, Any], columns: Sequence[str]) -> list[str]:
    return ["-" if row.get(name) is None else f"{row[name]:.3f}" for name in columns]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
