"""The tests of this folder run against any server that MODEL_SERVER names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
# Stands in for the binary: takes TF Serving's flags, and falls over one that is ours alone.
BINARY = """#!{python}
import dataclasses, os, sys
from model_server.flags import Flags
own = {{field.name for field in dataclasses.fields(Flags) if field.metadata["own"]}}
for argument in sys.argv[1:]:
    if argument.removeprefix("--").partition("=")[0] in own:
        sys.exit(f"unknown argument: {{argument}}")
os.execv(sys.executable, [sys.executable, "-m", "model_server", *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.ours("runs the others with another server")
def test_another_command(models, tmp_path):
    binary = tmp_path / "tensorflow_model_server"
    binary.write_text(BINARY.format(python=sys.executable))
    binary.chmod(0o755)
    environment = {
        **os.environ,
        "MODEL_SERVER": f"{sys.executable} -m model_server --engine=tensorflow_serving",
        "MODEL_SERVER_MODELS": str(models),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    names = ("predict", "rest")
    files = [str(FOLDER / f"test_{name}.py") for name in names]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *files],
        env=environment,
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert skipped
    assert all("model-server alone" in line for line in skipped), skipped
