"""What an import found and wrote, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from tfx_pipeline.config import SPLITS
from tfx_pipeline.dataset.drift import Drift
from tfx_pipeline.dataset.findings import Spread
from tfx_pipeline.dataset.importing import ImportReport

_SHOWN = 6
# A change of a label's share that is worth a word.
_MOVED = 0.01


def as_text(report: ImportReport) -> str:
    """Say what was written, what was dropped, and what is odd."""
    found, split = report.findings, report.split
    lines = [f"wrote {report.span} (split rule: {split.rule})"]
    for name in SPLITS:
        lines.append(f"  {name:5} {len(split.events[name]):>7} events: {_contents(report, name)}")
    lengths = found.lengths["train"]
    lines.append(
        f"  bytes of text: median {lengths.median:g}, 95 % up to {lengths.p95:g}, "
        f"longest {lengths.most:g}"
    )
    if report.rejected:
        lines.append(f"  {len(report.rejected)} rows rejected: {report.span / 'rejected.jsonl'}")
    if found.conflicts:
        lines.append(
            f"  {found.conflicts} training texts have more than one label, such as "
            f"{found.conflicting[0]!r:.80}"
        )
    if found.replaced:
        lines.append(
            f"  {found.replaced} training texts held bytes that are not UTF-8, now U+FFFD; "
            f"a file in another encoding is turned by `iconv -t UTF-8 -f ITS-ENCODING`"
        )
    if found.once:
        lines.append(f"  labels with one training event: {_some(found.once)}")
    if found.unseen:
        lines.append(f"  labels that training never sees: {_some(found.unseen)}")
    if report.drift is not None:
        lines.append(f"  since span {report.drift.since}: {_changes(report.drift)}")
    return "\n".join(lines)


def _contents(report: ImportReport, name: str) -> str:
    found = report.findings
    if name in found.values:
        shown = _values(found.values[name])
    else:
        counts = sorted(found.labels[name].items(), key=lambda item: -item[1])
        shown = ", ".join(f"{label} {count}" for label, count in counts[:_SHOWN])
        if len(counts) > _SHOWN:
            shown += f", and {len(counts) - _SHOWN} more labels"
    dropped, kept = report.split.dropped[name], found.repeated[name]
    if dropped:
        shown += f"; {dropped} dropped, their text stands in an earlier split"
    if kept:
        shown += f"; {kept} have a text that stands in an earlier split too"
    return shown


def _changes(drift: Drift) -> str:
    said = []
    if drift.new:
        said.append(f"new labels {_some(drift.new)}")
    if drift.gone:
        said.append(f"no more {_some(drift.gone)}")
    if drift.moved is not None and drift.share >= _MOVED:
        label, before, now = drift.moved
        said.append(f"the share of {label} {before:.1%} → {now:.1%}")
    if drift.values is not None:
        said.append(f"median value {drift.values[0]:g} → {drift.values[1]:g}")
    said.append(f"median bytes of text {drift.bytes[0]:g} → {drift.bytes[1]:g}")
    return "; ".join(said)


def _values(spread: Spread) -> str:
    return f"{spread.least:g} to {spread.most:g}, mean {spread.mean:.3g}, median {spread.median:g}"


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
