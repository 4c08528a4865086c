"""docs/serving.md lists every flag as it is."""

import dataclasses
from pathlib import Path

from model_server.flags import Flags

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
