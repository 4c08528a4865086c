"""tfx-pipeline commands, all in one other process: TFX takes half a minute to import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_RUN = """
import json, sys
from tfx_pipeline.__main__ import main
for command in json.loads(sys.argv[1]):
    print("$ tfx-pipeline", *command, file=sys.stderr, flush=True)
    code = main(command)
    if code:
        sys.exit(code)
"""


def run_pipeline(commands: Sequence[Sequence[str]], cwd: Path) -> str:
    """Run one command after the other in `cwd`; return what they printed."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(commands)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
