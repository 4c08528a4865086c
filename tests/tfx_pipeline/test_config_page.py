"""docs/config.md is what `tfx-pipeline keys` prints, and the YAML of the other pages loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tfx_pipeline.__main__ import main
from tfx_pipeline.config import PipelineConfig

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_what_the_command_prints(capsys):
    assert main(["keys"]) == 0
    page = (DOCS / "config.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page, "run `tfx-pipeline keys > docs/config.md`"


@pytest.mark.parametrize("page", ["pipeline.md", "tasks.md"])
def test_the_yaml_of_a_page_is_a_config(page):
    blocks = re.findall(r"^```yaml\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.M | re.S)
    assert blocks
    for block in blocks:
        given = {"name": "m", "task": "anomaly", **yaml.safe_load(block)}
        # A part of a config may name slices over features that another part declares.
        data = {"features": ["service", "severity"]} | given.get("data", {})
        PipelineConfig.model_validate({**given, "data": data})
