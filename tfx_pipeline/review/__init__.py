"""The review: one self-contained HTML page about a run, for the person who has to trust it."""

from __future__ import annotations

from pathlib import Path

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.errors import RunNotFoundError
from tfx_pipeline.lineage import find_run, recorded_runs
from tfx_pipeline.review.page import render
from tfx_pipeline.review.report import comparison, report


def write_review(
    config: PipelineConfig,
    run_id: str | None = None,
    beside: str | None = None,
    output: Path | None = None,
) -> Path:
    """Write the page of a run (the newest by default), beside another run if one is named.

    Returns the page's path, by default `<root>/reviews/<run>.html`.

    Raises:
        RunNotFoundError: there is no such run.
    """
    runs = recorded_runs(config.metadata)
    if not runs:
        raise RunNotFoundError(f"{config.root}: no runs yet; start one with `tfx-pipeline run`")
    run = find_run(runs, run_id or runs[0].run_id)
    name = run.run_id.replace(":", "")
    if beside is None:
        found = report(run, runs)
    else:
        other = find_run(runs, beside)
        found = comparison(run, other, runs)
        name += f"-beside-{other.run_id.replace(':', '')}"
    page = output or config.root / "reviews" / f"{name}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(found), encoding="utf-8")
    return page
