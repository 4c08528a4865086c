"""Outcomes and import reports as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfx_pipeline.config import SPLITS

if TYPE_CHECKING:
    from tfx_pipeline.dataset.importing import ImportReport

_COLUMNS = {
    "anomaly": ("average_precision", "f1", "precision", "recall", "best_f1"),
    "classification": ("accuracy", "macro_f1"),
}


def import_report(report: ImportReport) -> str:
    """Say what an import wrote, what it dropped, and what is odd."""
    split = report.split
    lines = [f"wrote {report.span} (split rule: {split.rule})"]
    for name in SPLITS:
        counts = sorted(report.labels[name].items(), key=lambda item: -item[1])
        shown = ", ".join(f"{label} {count}" for label, count in counts[:6])
        more = f", and {len(counts) - 6} more labels" if len(counts) > 6 else ""
        dropped = split.dropped[name]
        note = f"; {dropped} dropped, their text stands in an earlier split" if dropped else ""
        lines.append(f"  {name:5} {len(split.events[name]):>7} events: {shown}{more}{note}")
    if report.rejected:
        lines.append(f"  {len(report.rejected)} rows rejected: {report.span / 'rejected.jsonl'}")
    if report.unseen_labels:
        shown = ", ".join(report.unseen_labels[:10])
        lines.append(f"  labels that training never sees: {shown}")
    return "\n".join(lines)


def scorecard_table(card: dict[str, Any]) -> str:
    """Show the systems side by side, then the slices."""
    columns = _COLUMNS[card["task"]]
    parts = [f"on {card['counts'][card['split']]} events of the {card['split']} split"]
    if card["positives"] is not None:
        parts.append(f"{card['positives']} of them anomalies")
    lines = [", ".join(parts)]
    lines += _table(
        ("system", *columns), [(r["system"], *_values(r, columns)) for r in card["systems"]]
    )
    if card["slices"]:
        lines.append("")
        rows = [(r["slice"], str(r["events"]), *_values(r, columns)) for r in card["slices"]]
        lines += _table(("slice", "events", *columns), rows)
    return "\n".join(lines)


def _values(row: dict[str, Any], columns: Sequence[str]) -> list[str]:
    return ["-" if row[name] is None else f"{row[name]:.3f}" for name in columns]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
