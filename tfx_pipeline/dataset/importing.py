"""`tfx-pipeline import`: labelled files → one span, and a summary of what was found."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tfx_pipeline.config import SPLITS, PipelineConfig
from tfx_pipeline.dataset.drift import Drift, drift_since
from tfx_pipeline.dataset.events import label_events
from tfx_pipeline.dataset.findings import Findings, look
from tfx_pipeline.dataset.formats import reader
from tfx_pipeline.dataset.rejected import REJECTED, write_rejected
from tfx_pipeline.dataset.spans import span_numbers, write_span, writing
from tfx_pipeline.dataset.splits import Split, split_events
from tfx_pipeline.errors import DataError, TooManyRejectedError
from tfx_pipeline.records import LabelledEvent, RejectedRow


@dataclass(frozen=True)
class ImportReport:
    """What an import found and wrote; `drift` is None for a first span."""

    span: Path
    split: Split
    rejected: tuple[RejectedRow, ...]
    findings: Findings
    drift: Drift | None


def import_span(config: PipelineConfig, number: int | None = None) -> ImportReport:
    """Read `data.files` and write them as the next span, or as span `number`.

    Raises:
        DataError: no file, no events, one class or value only, an empty split, or the span exists.
        TooManyRejectedError: more than `data.max_rejected` of the rows are bad.
    """
    if number is not None and number < 1:
        raise DataError(f"--span {number}: spans are numbered from 1")
    events: list[LabelledEvent] = []
    rejected: list[RejectedRow] = []
    fingerprint = hashlib.sha256()
    for path, given in _files(config):
        with path.open("rb") as file:
            fingerprint.update(hashlib.file_digest(file, "sha256").digest())
        for item in label_events(reader(config.data.format)(path), config, given):
            (rejected if isinstance(item, RejectedRow) else events).append(item)  # type: ignore[arg-type]
    _check(config, events, rejected)
    split = split_events(events, config.data.split, config.data.duplicates == "drop")
    findings = look(split.events)
    _check_learnable(config, split, findings)
    spans = config.spans_path
    with writing(spans):
        number = number if number is not None else max(span_numbers(spans), default=0) + 1
        drift = drift_since(spans, number, findings)
        summary = {
            "rule": split.rule,
            "events": {name: len(split.events[name]) for name in SPLITS},
            "dropped_duplicates": split.dropped,
            "rejected": len(rejected),
            **findings.as_json(),
            "drift": None if drift is None else asdict(drift),
            "sha256": fingerprint.hexdigest(),
        }
        span = write_span(spans, number, split.events, rejected, summary)
    return ImportReport(span, split, tuple(rejected), findings, drift)


def _check_learnable(config: PipelineConfig, split: Split, findings: Findings) -> None:
    """Refuse what no model can learn from: one label, one value, no entity."""
    if config.task == "regression":
        values = findings.values["train"]
        if values.least == values.most:
            raise DataError(
                f"all {len(split.events['train'])} training events have the value "
                f"{values.least:g}: there is nothing to learn; check data.label"
            )
        return
    labels = findings.labels["train"]
    if len(labels) < 2:
        what = "tag" if config.task == "token" else "label"
        raise DataError(
            f"the train split holds only the {what} {next(iter(labels))!r}: a model needs "
            f"two; give more events, or change data.split or data.normal"
        )


def _files(config: PipelineConfig) -> Iterator[tuple[Path, str | None]]:
    files = config.data.files
    groups = files.items() if isinstance(files, dict) else [(None, files)]
    count = 0
    for given, patterns in groups:
        for pattern in patterns:
            paths = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - patterns may be absolute
            if not paths:
                raise DataError(f"{pattern}: no such file; set data.files or give --data")
            for path in paths:
                if not Path(path).is_file():
                    raise DataError(f"{path}: not a file; a directory is given as {path}/*")
                count += 1
                yield Path(path), given
    if not count:
        raise DataError("no input: set data.files or give --data")


def _check(
    config: PipelineConfig, events: list[LabelledEvent], rejected: list[RejectedRow]
) -> None:
    total = len(events) + len(rejected)
    if total == 0:
        raise DataError("the input files are empty")
    if len(rejected) > config.data.max_rejected * total:
        kept = config.spans_path / REJECTED
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_rejected(kept, rejected)
        first = rejected[0]
        raise TooManyRejectedError(
            f"{len(rejected)} of {total} rows are bad, data.max_rejected allows "
            f"{config.data.max_rejected:.2%}; the first: {first.file} row {first.number}: "
            f"{first.reason}; all of them: {kept}"
        )
