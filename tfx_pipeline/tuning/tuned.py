"""The best values of a search, written back as a config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tfx_pipeline import config


def write_tuned(
    source: Path, overrides: Sequence[str], tuning: dict[str, Any], output: Path
) -> None:
    """Write the config that was tuned, with the values of the best trial and nothing to tune.

    It says what the file and the overrides said; comments are lost.
    """
    best = tuning["trials"][tuning["best"] - 1]
    raw = config.read(source, overrides)
    raw.pop("tuning", None)
    for key, value in best["values"].items():
        config.put(raw, key, value)
    head = (
        f"# {source} as tuned: {tuning['metric']} {best['score']:.4f} on held-out events,\n"
        f"# the best of {len(tuning['trials'])} trials in {tuning['seconds'] / 60:.0f} minutes.\n"
    )
    body = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(head + body, encoding="utf-8")
