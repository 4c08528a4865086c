"""The end of the demo: how good the model is, what it found live, and how to go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .conductor import commands
from .scenario import Scenario, shown
from .scoreboard import Scoreboard, sum_of

_FIGURES = ("average_precision", "f1", "precision", "recall")
_WIDTH = 118
_EXAMPLES = 5


def report(scenario: Scenario, board: Scoreboard, seconds: float) -> str:
    """The report as text."""
    parts = [
        _title("Evaluation on the test split, beside the trivial baselines"),
        *_evaluation(scenario),
        _title("Live"),
        *_live(scenario, board),
        _title("Example alerts"),
        *_alerts(board),
        _title("Files"),
        *_files(scenario),
        _title("Go on by hand"),
        *_commands(scenario, board),
        "",
        f"The demo took {seconds:.0f} s.",
    ]
    return "\n".join(parts)


def _title(text: str) -> str:
    return f"\n{text}\n{'-' * len(text)}"


def _evaluation(scenario: Scenario) -> list[str]:
    path = scorecard_path(scenario.workdir)
    if path is None:
        return ["the pipeline left no scorecard"]
    card = json.loads(path.read_text())
    rows = [(row["system"], "", *_figures(row)) for row in card["systems"]]
    rows += [(row["slice"], str(row["events"]), *_figures(row)) for row in card["slices"]]
    events = card["counts"][card["split"]]
    header = ("", "events", "average precision", "F1", "precision", "recall")
    rows[0] = (rows[0][0], str(events), *rows[0][2:])
    lines = table(header, rows)
    lines.insert(1 + len(card["systems"]), "")
    return [f"{events} events, {card['positives']} of them anomalies", *lines]


def scorecard_path(workdir: Path) -> Path | None:
    """The newest scorecard under the pipeline's directory, None where there is none."""
    found = list((workdir / "pipelines").glob("**/scorecard.json"))
    return max(found, key=lambda path: path.stat().st_mtime) if found else None


def _live(scenario: Scenario, board: Scoreboard) -> list[str]:
    judged = board.judged()
    p50, p99 = board.latency_ms(0.5), board.latency_ms(0.99)
    versions = ", ".join(f"{n} by version {v}" for v, n in sorted(board.versions.items()))
    learned = scenario.kinds_learned()
    seen = sum_of(board.judged(kind) for kind in board.kinds() if kind in learned)
    new = sum_of(board.judged(kind) for kind in board.kinds() if kind not in learned)
    lines = [
        f"{board.sent} events sent, {len(board.scored)} scored ({versions}), "
        f"{board.dead} dead letters, {board.repeated} repeated",
        f"latency from reading a line to its score: p50 {_number(p50, 0)} ms, "
        f"p99 {_number(p99, 0)} ms",
        f"{board.alerts} alerts: precision {_number(judged.precision)}, "
        f"recall {_number(judged.recall)} "
        f"({_number(seen.recall)} of the kinds that training had seen, "
        f"{_number(new.recall)} of the others)",
    ]
    rows = []
    for kind in board.kinds():
        of_kind = board.judged(kind)
        total = of_kind.hits + of_kind.missed
        seen = "yes" if kind in learned else "no"
        rows.append((kind, seen, str(total), str(of_kind.hits), _number(of_kind.recall)))
    if rows:
        lines += ["", *table(("anomalies", "seen before", "events", "found", "recall"), rows)]
    return lines


def _alerts(board: Scoreboard) -> list[str]:
    """The surest right alert of some kinds, the surest false one, and the worst miss."""
    right: dict[str, str] = {}
    for event_id in sorted(board.scored, key=lambda e: -board.scored[e].score):
        kind = board.truth.get(event_id)
        if kind and board.scored[event_id].alert:
            right.setdefault(kind, event_id)
    lines = [_line(board, event_id, kind) for kind, event_id in list(right.items())[:_EXAMPLES]]
    known = [e for e in board.scored if e in board.truth]
    false = [e for e in known if board.scored[e].alert and not board.truth[e]]
    missed = [e for e in known if not board.scored[e].alert and board.truth[e]]
    if false:
        worst = max(false, key=lambda e: board.scored[e].score)
        lines.append(_line(board, worst, "false alarm"))
    if missed:
        worst = min(missed, key=lambda e: board.scored[e].score)
        lines.append(_line(board, worst, f"missed: {board.truth[worst]}"))
    return lines or ["none"]


def _line(board: Scoreboard, event_id: str, what: str) -> str:
    scored = board.scored[event_id]
    return f"{scored.score:.2f}  [{what}] {scored.text}"[:_WIDTH]


def _files(scenario: Scenario) -> list[str]:
    rows = [
        ("labelled events", scenario.history),
        ("configs", scenario.model_config),
        ("", scenario.bridge_config),
        ("spans", scenario.workdir / "spans"),
        ("pipeline runs", scenario.workdir / "pipelines"),
        ("model versions", scenario.models),
        ("live events", scenario.live),
        ("labels", scenario.labels),
        ("predictions", scenario.predictions),
        ("alerts", scenario.workdir / "alerts.jsonl"),
        ("dead letters", scenario.dead_letters),
        ("logs of all steps", scenario.workdir / "logs"),
    ]
    return [f"{name:18} {path}" for name, path in rows]


def _commands(scenario: Scenario, board: Scoreboard) -> list[str]:
    run = commands(scenario)
    surest = max(board.scored.values(), key=lambda scored: scored.score, default=None)
    text = surest.text if surest else "hello"
    return [
        "# the server, and a question to it from another terminal",
        shown(run.serve),
        shown((*run.ask, text)),
        "# the bridge, and more live events",
        shown(run.bridge),
        shown(scenario.stream),
        *_more_training(scenario),
    ]


def _more_training(scenario: Scenario) -> list[str]:
    run = commands(scenario)
    note = "a running server takes the new version over by itself"
    if not scenario.make_history:
        return [f"# train longer; {note}", shown((*run.train, "--set", "training.epochs=6"))]
    more = str(scenario.workdir / "more.jsonl")
    simulate = (sys.executable, "-m", "examples.event_simulator", "history", "--events", "6000")
    return [
        f"# train on more events, the new kinds of incident among them; {note}",
        shown((*simulate, "--new-incidents-after", "1d", "--out", more)),
        shown((*run.imports, "--data", more)),
        shown(run.train),
    ]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows under a header, the first column to the left, the others to the right."""
    widths = [max(len(row[n]) for row in (header, *rows)) for n in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]


def _figures(row: dict[str, Any]) -> list[str]:
    return [_number(row.get(name)) for name in _FIGURES]


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
