"""The compiled specs, and their component commands run here as a backend would run them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import yaml

from tests.pipeline import run_pipeline
from tfx_pipeline.container import as_backend, localised


class Backend:
    """Runs the tasks of a compiled spec, each in a process of its own, two at a time."""

    def __init__(self, spec: dict, root: Path) -> None:
        self._tasks = spec["root"]["dag"]["tasks"]
        self._components = spec["components"]
        self._executors = spec["deploymentSpec"]["executors"]
        self._root = root
        self.made: dict[str, dict[str, dict]] = {}

    def run_all(self) -> None:
        """Run every task once those it needs have run."""
        waiting, running = dict(self._tasks), {}
        with ThreadPoolExecutor(2) as pool:
            while waiting or running:
                for name in [n for n in waiting if self._needs(n) <= self.made.keys()]:
                    del waiting[name]
                    running[pool.submit(self.run, name)] = name
                assert running, f"nothing can run of {sorted(waiting)}"
                done: set[Future] = wait(running, return_when=FIRST_COMPLETED).done
                for future in done:
                    self.made[running.pop(future)] = future.result()

    def run(self, name: str, driver: bool = False) -> dict[str, dict]:
        """Run a task's executor, after its driver if asked for; return its output artifacts."""
        task, component = self._tasks[name], self._components[name]
        folder = self._root / name
        folder.mkdir(parents=True)
        inputs, declared = task.get("inputs", {}), component["outputDefinitions"]["artifacts"]
        artifacts = {}
        for key, source in inputs.get("artifacts", {}).items():
            origin = source["taskOutputArtifact"]
            made = self.made[origin["producerTask"]][origin["outputArtifactKey"]]
            artifacts[key] = {"artifacts": [made]}
        outputs = {
            key: {"artifacts": [{"name": f"{name}/{key}", "uri": str(folder / key), **_typed(of)}]}
            for key, of in declared.items()
        }
        output_file = folder / "executor_output.json"
        invocation = {
            "inputs": {
                "artifacts": artifacts,
                "parameterValues": {
                    key: value["runtimeValue"]["constant"]
                    for key, value in inputs.get("parameters", {}).items()
                },
            },
            "outputs": {"artifacts": outputs, "outputFile": str(output_file)},
        }
        container = self._executors[component["executorLabel"]]["container"]
        for part in (container["lifecycle"]["preCacheCheck"] if driver else None, container):
            if part is not None:
                _run(part, json.dumps(invocation))
                said = json.loads(output_file.read_text())
                # What a driver finds is a parameter of the executor.
                invocation["inputs"]["parameterValues"].update(said.get("parameterValues", {}))
                # What either says of an artifact has no type; the backend knows it.
                for key, given in said["artifacts"].items():
                    artifact = {**given["artifacts"][0], **_typed(declared[key])}
                    outputs[key] = {"artifacts": [artifact]}
        return {key: given["artifacts"][0] for key, given in outputs.items()}

    def path(self, name: str, key: str) -> Path:
        return Path(self.made[name][key]["uri"])

    def _needs(self, name: str) -> set[str]:
        task = self._tasks[name]
        sources = task.get("inputs", {}).get("artifacts", {}).values()
        found = {source["taskOutputArtifact"]["producerTask"] for source in sources}
        return found | set(task.get("dependentTasks", ()))


def _typed(declared: dict) -> dict[str, dict]:
    return {"type": declared["artifactType"]}


def _run(container: dict, invocation: str) -> None:
    command = [invocation if argument == "{{$}}" else argument for argument in container["args"]]
    assert container["command"][0] == "python"
    done = subprocess.run(
        [sys.executable, *container["command"][1:], *command],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def specs(trained, tiny_bert, tmp_path_factory) -> dict[str, dict]:
    """Return the specs for both backends, and where they push as `models`."""
    folder = tmp_path_factory.mktemp("specs")
    flags = [
        f"encoder.preset={tiny_bert}",
        "training.epochs=1",
        "training.folds=0",
        "training.warm_start=true",
        "data.spans.last=3",
        "tuning={trials: 1, parameters: {training.batch_tokens: [333]}}",
        # What this tiny model learns is noise: any drop will do.
        "evaluation.bounds=[{metric: average_precision, may_drop: 1}]",
        "serving.gate.seconds=0.2",
        f"data.root={trained.folder / 'data'}",
        f"kubeflow.data={trained.folder / 'data'}",
        f"kubeflow.pipeline_root={folder / 'root'}",
        f"kubeflow.base_path={folder / 'models'}",
        "kubeflow.image=registry.example/livebert:1",
        "kubeflow.resources={Trainer: {cpu: 8, memory_gb: 32, gpus: 1}}",
    ]
    commands = []
    for runner in ("kubeflow", "vertex"):
        command = ["compile", "--runner", runner, "--output", str(folder / f"{runner}.yaml")]
        command += ["--config", str(trained.anomaly_config)]
        commands.append(command + [part for flag in flags for part in ("--set", flag)])
    said = run_pipeline(commands, folder)
    assert said.split() == [str(folder / "kubeflow.yaml"), str(folder / "vertex.yaml")]
    found = {r: yaml.safe_load((folder / f"{r}.yaml").read_text()) for r in ("kubeflow", "vertex")}
    return found | {"models": folder / "models"}


@pytest.mark.slow
def test_compile_says_where_the_spec_is_and_nothing_else(trained, tmp_path):
    command = ["compile", "--runner", "vertex", "--config", str(trained.anomaly_config)]
    command += ["--output", str(tmp_path / "spec.json")]
    done = subprocess.run(
        [sys.executable, "-m", "tfx_pipeline", *command], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'spec.json'}\n")
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("runner", ["kubeflow", "vertex"])
def test_a_spec_has_image_resources_and_what_its_backend_knows(specs, runner):
    from kfp import components

    spec = specs[runner]
    loaded = components.load_component_from_text(yaml.safe_dump(spec))
    assert loaded.name == spec["pipelineInfo"]["name"]
    executors = spec["deploymentSpec"]["executors"]
    images = {e["container"]["image"] for e in executors.values() if "container" in e}
    assert images == {"registry.example/livebert:1"}
    trainer = executors["Trainer_executor"]["container"]["resources"]
    assert trainer["cpuLimit"] == 8
    assert trainer["memoryLimit"] == 32
    assert trainer["accelerator"] == {"count": "1", "type": "nvidia.com/gpu"}
    assert "resources" not in executors["Transform_executor"]["container"]
    assert any("resolver" in e for e in executors.values()) == (runner == "vertex")
    tasks = spec["root"]["dag"]["tasks"]
    given = json.dumps(tasks["ImportExampleGen"]["inputs"])
    assert ("{SPAN}" in given) == (runner == "vertex")
    assert '\\"last\\": 3.0' in given
    tuned = tasks["Trainer"]["inputs"]["artifacts"]["hyperparameters"]["taskOutputArtifact"]
    assert tuned["producerTask"] == "Tuner"


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_every_command_of_the_spec_runs_and_the_model_is_pushed(specs, trained, tmp_path):
    base = specs["models"] / trained.anomaly.parent.name
    shutil.copytree(trained.anomaly, base / "1")
    backend = Backend(specs["kubeflow"], tmp_path / "tasks")
    backend.run_all()
    assert set(backend.made) == set(specs["kubeflow"]["root"]["dag"]["tasks"])
    model = backend.path("Trainer", "model") / "Format-Serving"
    card = json.loads((model / "assets.extra" / "model_card.json").read_text())
    assert card["config"]["training"]["batch_tokens"] == 333, "the Tuner's"
    assert (backend.path("ImportExampleGen", "examples") / "Split-test").is_dir()
    assert list(backend.path("Evaluator", "evaluation").glob("metrics*"))
    # Without queries the model to beat is the one that was pushed last.
    card = json.loads((backend.path("Scorecard", "scorecard") / "scorecard.json").read_text())
    assert card["systems"][1]["system"] == "last blessed model"
    blessing = backend.made["Scorecard"]["blessing"]["metadata"]
    assert blessing["blessed"] == 1
    assert blessing["current_model_id"] == "Trainer/model"
    assert (backend.path("ServingGate", "blessing") / "INFRA_BLESSED").is_file()
    pushed = backend.made["Pusher"]["pushed_model"]["metadata"]
    assert Path(pushed["pushed_destination"]).parent == base
    assert (Path(pushed["pushed_destination"]) / "saved_model.pb").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_on_vertex_the_newest_span_is_found_first(specs, tmp_path):
    made = Backend(specs["vertex"], tmp_path / "tasks").run("ImportExampleGen", driver=True)
    assert int(made["examples"]["metadata"]["custom:span"]) == 1
    assert list(Path(made["examples"]["uri"]).glob("Split-test/*"))


def test_artifacts_are_folders_for_the_component_and_urls_for_the_backend():
    model = {"name": "projects/1/models/7", "uri": "gs://bucket/run/Trainer/model"}
    asked = {
        "inputs": {"artifacts": {"model": {"artifacts": [model]}}},
        "outputs": {
            "artifacts": {"blessing": {"artifacts": [{"uri": "minio://b/blessing"}]}},
            "outputFile": "/tmp/kfp_outputs/output_metadata.json",
        },
    }
    local = localised(asked)
    assert local["inputs"]["artifacts"]["model"]["artifacts"][0] == {
        **model,
        "uri": "/gcs/bucket/run/Trainer/model",
    }
    assert local["outputs"]["artifacts"]["blessing"]["artifacts"][0]["uri"] == "/minio/b/blessing"
    assert local["outputs"]["outputFile"] == asked["outputs"]["outputFile"]
    metadata = {"blessed": 1.0, "current_model": "/gcs/bucket/run/Trainer/model"}
    metadata["current_model_id"] = 4.5e18
    said = {"artifacts": {"blessing": {"artifacts": [{"uri": "/minio/b/blessing"}]}}}
    said["artifacts"]["blessing"]["artifacts"][0]["metadata"] = metadata
    assert as_backend(said, asked)["artifacts"]["blessing"]["artifacts"] == [
        {
            "uri": "minio://b/blessing",
            "metadata": {
                "blessed": 1.0,
                "current_model": model["uri"],
                "current_model_id": model["name"],
            },
        }
    ]
