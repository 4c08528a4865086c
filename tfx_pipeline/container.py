"""What the image runs for each component: TFX's own executor, with its artifacts as local files.

The backends give artifacts as URLs of a bucket, and the bucket as a folder: Vertex mounts it, the
launcher of Kubeflow Pipelines copies inputs there before and outputs from there after. So the
components read and write plain files, and what they say of them is turned into URLs again.

It also names the model that a blessing is of as the backend does: TFX's executor does so for its
own Evaluator alone, and the query for the last blessed model would find no other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TFX_RUNNER = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"

_FOLDERS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
_FLAG = "--json_serialized_invocation_args"

Json = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one component as the compiled spec asks for it; return TFX's exit status."""
    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.container", description=__doc__)
    parser.add_argument(_FLAG, dest="invocation", required=True, metavar="JSON")
    given, rest = parser.parse_known_args(argv)
    asked = json.loads(given.invocation)
    local = localised(asked)
    command = [sys.executable, "-m", TFX_RUNNER, *rest, _FLAG, json.dumps(local)]
    done = subprocess.run(command, check=False)  # noqa: S603 - TFX's module and the spec's arguments
    if done.returncode == 0:
        file = Path(local["outputs"]["outputFile"])
        said = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps(as_backend(said, asked)), encoding="utf-8")
    return done.returncode


def localised(asked: Mapping[str, Any]) -> Json:
    """Return the invocation with the folders of its artifacts in the place of their URLs."""
    local: Json = json.loads(json.dumps(asked))
    for artifact in _artifacts(local):
        artifact["uri"] = _folder(artifact["uri"])
    local["outputs"]["outputFile"] = _folder(local["outputs"]["outputFile"])
    return local


def as_backend(said: Mapping[str, Any], asked: Mapping[str, Any]) -> Json:
    """Return the executor's output with URLs for folders, and models by the backend's names."""
    urls = {_folder(found["uri"]): found["uri"] for found in _artifacts(asked)}
    names = {_folder(found["uri"]): found.get("name") for found in _artifacts(asked)}
    answer: Json = json.loads(json.dumps(said))
    for found in answer.get("artifacts", {}).values():
        for artifact in found["artifacts"]:
            artifact["uri"] = urls.get(artifact["uri"], artifact["uri"])
            metadata = artifact.get("metadata", {})
            for key in ("current_model", "baseline_model"):
                folder = metadata.get(key)
                if folder in urls:
                    metadata[key] = urls[folder]
                    metadata[f"{key}_id"] = names[folder]
    return answer


def _artifacts(invocation: Mapping[str, Any]) -> Iterator[Json]:
    for side in ("inputs", "outputs"):
        for found in invocation.get(side, {}).get("artifacts", {}).values():
            yield from found.get("artifacts", ())


def _folder(uri: str) -> str:
    for scheme, folder in _FOLDERS.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return uri


if __name__ == "__main__":
    sys.exit(main())
