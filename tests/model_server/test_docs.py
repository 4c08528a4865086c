"""docs/serving.md lists every flag as it is, and its sessions go as they are printed."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from model_server.flags import Flags
from tests.model_server.sessions import Sessions, blocks

DOC = Path(__file__).parents[2] / "docs" / "serving.md"


def test_every_flag_is_listed_with_its_default_and_whether_it_works():
    flags = DOC.read_text().split("## Flags")[1].splitlines()
    rows = [line.split(" | ") for line in flags if line.startswith("| `")]
    listed = {row[0].strip("|` "): row for row in rows}
    for field in dataclasses.fields(Flags):
        row = listed.pop(field.name)
        assert row[1] == field.metadata["kind"]
        if field.metadata["refused"]:
            assert row[3] == "refused"
        elif field.metadata["own"]:
            assert row[3] == "ours"
        else:
            assert row[3] == (
                "accepted" if field.metadata["help"].startswith("accepted") else "yes"
            )
    assert not listed


@pytest.mark.slow
@pytest.mark.ours("the page is about model-server")
def test_the_sessions_go_as_they_are_printed(models, tmp_path):
    for name in ("half", "classic"):
        shutil.copytree(models / name, tmp_path / "models" / name)
    sessions = Sessions(tmp_path / "models", [8500, 8501, 8510])
    page = blocks(DOC.read_text())
    try:
        for kind, text in page:
            if kind == "sh":
                sessions.shell(text)
            elif kind == "console":
                sessions.console(text)
        # One process for all of them: importing TensorFlow takes a while.
        sessions.python("".join(text for kind, text in page if kind == "pycon"))
    finally:
        sessions.stop()
