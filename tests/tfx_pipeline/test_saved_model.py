"""The exported SavedModels, the way TF Serving loads them: restored in a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline import run_pipeline

# Prints, as JSON, what each signature answers in a plain session without the code that made it.
_ASK = """
import json, sys
import numpy as np
import tensorflow as tf
import tensorflow_text
folder, request = sys.argv[1], json.load(open(sys.argv[2]))
answers = {"version": tf.__version__, "uninitialized": None, "signatures": {}}
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    loaded = tf.compat.v1.saved_model.load(session, ["serve"], folder)
    missing = session.run(tf.compat.v1.report_uninitialized_variables())
    answers["uninitialized"] = [name.decode() for name in missing]
    for name, feeds in request.items():
        signature = loaded.signature_def[name]
        values = session.run(
            {alias: info.name for alias, info in signature.outputs.items()},
            {signature.inputs[alias].name: [bytes.fromhex(v) for v in values]
             for alias, values in feeds.items()})
        answers["signatures"][name] = {
            alias: {
                "dtype": value.dtype.name, "shape": value.shape,
                "values": [v.decode() for v in value.flat] if value.dtype == object
                          else value.astype(float).ravel().tolist(),
            }
            for alias, value in values.items()}
json.dump(answers, sys.stdout)
"""

TEXTS = ["instruction cache parity error corrected", "", "ünï © \U0001f600", "x" * 5000]


def requests() -> dict[str, dict[str, list[str]]]:
    from serving_client.examples import to_example

    texts = [*(text.encode() for text in TEXTS), b"broken \xff\xfe utf-8"]
    examples = [to_example({"text": text}).SerializeToString() for text in texts]
    return {
        "serving_default": {"text": [text.hex() for text in texts]},
        "embed": {"text": [text.hex() for text in texts]},
        "serving_examples": {"examples": [example.hex() for example in examples]},
        "model_card": {},
    }


def ask(python: str, folder: Path, tmp_path: Path, extra: dict | None = None) -> dict:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({**requests(), **(extra or {})}), encoding="utf-8")
    # Importing TFX, as other tests of this process do, asks for a Keras that is not installed.
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [python, "-c", _ASK, str(folder), str(request)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def answers(trained, tmp_path_factory):
    """Return what both models answer in a session."""
    folder = tmp_path_factory.mktemp("asked")
    models = {"anomaly": trained.anomaly, "classification": trained.classification}
    return {task: ask(sys.executable, path, folder) for task, path in models.items()}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("task", ["anomaly", "classification"])
def test_nothing_is_left_uninitialised_in_a_session(answers, task):
    assert answers[task]["uninitialized"] == []


def test_an_anomaly_model_answers_as_the_contract_says(answers):
    found = answers["anomaly"]["signatures"]["serving_default"]
    count = len(TEXTS) + 1
    assert {name: (v["dtype"], v["shape"]) for name, v in found.items()} == {
        "label": ("object", [count]),
        "score": ("float32", [count]),
        "novelty": ("float32", [count]),
    }
    assert set(found["label"]["values"]) <= {"normal", "anomaly"}
    assert all(0 <= score <= 1 for score in found["score"]["values"])
    assert all(0 <= novelty <= 2 for novelty in found["novelty"]["values"])


def test_a_classification_model_answers_as_the_contract_says(answers):
    found = answers["classification"]["signatures"]["serving_default"]
    count = len(TEXTS) + 1
    card = json.loads(answers["classification"]["signatures"]["model_card"]["card"]["values"][0])
    labels = card["labels"]
    assert {name: (v["dtype"], v["shape"]) for name, v in found.items()} == {
        "label": ("object", [count]),
        "score": ("float32", [count]),
        "scores": ("float32", [count, len(labels)]),
    }
    scores = np.array(found["scores"]["values"]).reshape(count, -1)
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert scores.max(axis=1) == pytest.approx(found["score"]["values"], abs=1e-6)
    assert [labels[i] for i in scores.argmax(axis=1)] == found["label"]["values"]


@pytest.mark.parametrize("task", ["anomaly", "classification"])
def test_examples_and_texts_get_the_same_answer(answers, task):
    signatures = answers[task]["signatures"]
    for name, expected in signatures["serving_default"].items():
        found = signatures["serving_examples"][name]
        assert (found["dtype"], found["shape"]) == (expected["dtype"], expected["shape"])
        if expected["dtype"] == "object":
            assert found["values"] == expected["values"]
        else:
            assert found["values"] == pytest.approx(expected["values"], abs=1e-5)


@pytest.mark.parametrize("task", ["anomaly", "classification"])
def test_embeddings_have_length_one(answers, task):
    embedding = answers[task]["signatures"]["embed"]["embedding"]
    vectors = np.array(embedding["values"]).reshape(embedding["shape"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)


def test_the_evaluators_signature_turns_examples_into_features(trained, tmp_path):
    from serving_client.examples import to_example

    spec = json.loads((trained.anomaly / "assets.extra" / "model_card.json").read_text())
    raw = dict.fromkeys(spec["config"]["data"]["features"], "x")
    raw |= {"text": "parity error", "label": "anomaly", "event_id": "1", "event_time": 5}
    example = to_example(raw).SerializeToString().hex()
    extra = {"transform_features": {"examples": [example]}}
    found = ask(sys.executable, trained.anomaly, tmp_path, extra)["signatures"]
    assert found["transform_features"]["label_id"]["values"] == [1]
    assert found["transform_features"]["text"]["values"] == ["parity error"]


@pytest.mark.parametrize("task", ["anomaly", "classification"])
def test_the_card_says_what_the_version_is(trained, answers, task):
    folder = getattr(trained, task)
    on_disk = json.loads((folder / "assets.extra" / "model_card.json").read_text())
    served = json.loads(answers[task]["signatures"]["model_card"]["card"]["values"][0])
    assert on_disk == served
    assert on_disk["task"] == task
    assert on_disk["encoder"]["sha256"]
    assert on_disk["data"]["fingerprint"]
    assert "majority" in on_disk["baselines"]
    assert on_disk["metrics"]
    assert ("thresholds" in on_disk) == (task == "anomaly")


def test_warm_up_requests_are_recorded_for_each_batch_size(trained):
    from serving_client import protos

    data = (trained.anomaly / "assets.extra" / "tf_serving_warmup_requests").read_bytes()
    sizes = []
    while data:
        length = int.from_bytes(data[:8], "little")
        log = protos.PredictionLog.FromString(data[12 : 12 + length])
        tensor = log.predict_log.request.inputs["text"]
        sizes.append(tensor.tensor_shape.dim[0].size)
        data = data[16 + length :]
    assert sizes == [1, 32]


def test_the_run_says_which_component_which_epoch_and_how_it_compares(trained):
    for expected in (
        "ImportExampleGen …",
        "Transform done in",
        "epoch 1/1 done",
        "Pusher done in",
        "unseen-template rule",
        "TF-IDF + logistic regression",
        "blessed and pushed in",
    ):
        assert expected in trained.said
    assert "INFO:absl" not in trained.said
    figures = list((trained.folder / "pipelines").glob("*/Trainer/model_run/*/history.csv"))
    assert len(figures) == 2
    assert all("loss" in file.read_text().splitlines()[0].split(",") for file in figures)
    logs = list((trained.folder / "pipelines").glob("*/logs/*.log"))
    assert len(logs) == 2
    assert all("Component Trainer is finished" in log.read_text() for log in logs)


@pytest.fixture(scope="session")
def of_each_task(trained, tiny_bert, tmp_path_factory) -> dict[str, Path]:
    """Return a version directory of each task; two more models for those that `trained` lacks."""
    folder = tmp_path_factory.mktemp("other-tasks")
    words = [[f"Ann{n % 23}", "flew", "to", f"Rome{n % 7}"] for n in range(120)]
    rows = {
        "regression": [{"text": " ".join(w), "label": n % 11 / 2} for n, w in enumerate(words)],
        "token": [{"tokens": w, "label": ["B-person", "O", "O", "B-place"]} for w in words],
    }
    commands = []
    for task, lines in rows.items():
        data, config = folder / f"{task}.jsonl", folder / f"{task}.yaml"
        data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        config.write_text(f"name: {task}\ntask: {task}\n", encoding="utf-8")
        flags = [f"encoder.preset={tiny_bert}", "training.epochs=1", "evaluation.bounds=[]"]
        flags += [f"data.root={folder / 'data'}", "data.duplicates=keep", f"data.files=[{data}]"]
        flags += [f"pipeline_root={folder / 'runs'}", f"serving.base_path={folder / 'models'}"]
        flags += ["serving.gate.seconds=0.2"]
        common = ["--config", str(config), *(part for flag in flags for part in ("--set", flag))]
        commands += [["import", *common], ["run", *common]]
    run_pipeline(commands, folder)
    others = {task: next((folder / "models" / task).iterdir()) for task in rows}
    return {"anomaly": trained.anomaly, "classification": trained.classification, **others}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("task", ["anomaly", "classification", "regression", "token"])
def test_tensorflow_2_20_gives_the_same_answers(of_each_task, older_tensorflow, tmp_path, task):
    asked = requests()
    more = {"explain": asked["serving_default"]}
    if task != "token":
        method = "regress" if task == "regression" else "classify"
        more[method] = {"inputs": asked["serving_examples"]["examples"]}
    here, found = (
        ask(python, of_each_task[task], tmp_path, more)
        for python in (sys.executable, older_tensorflow)
    )
    assert found["version"].startswith("2.20")
    assert found["uninitialized"] == here["uninitialized"] == []
    assert set(here["signatures"]) == {*asked, *more}
    for name, outputs in here["signatures"].items():
        for alias, expected in outputs.items():
            value = found["signatures"][name][alias]
            assert (value["dtype"], value["shape"]) == (expected["dtype"], expected["shape"])
            if expected["dtype"] == "object":
                assert value["values"] == expected["values"]
            else:
                assert value["values"] == pytest.approx(expected["values"], abs=2e-2)


@pytest.fixture(scope="session")
def older_tensorflow(tmp_path_factory) -> str:
    """Return a Python with TensorFlow 2.20, that of TF Serving 2.20, in a venv of its own."""
    root = Path(__file__).resolve().parents[2]
    path = f"{root / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    venv = tmp_path_factory.mktemp("tensorflow-2.20") / "venv"
    environment = {**os.environ, "PATH": path}
    python = str(venv / "bin" / "python")
    install = ["uv", "pip", "install", "--quiet", "--python", python]
    for command in (
        ["uv", "venv", "--quiet", "--python", "3.11", str(venv)],
        [*install, "tensorflow==2.20.0", "tensorflow-text==2.20.1", "setuptools<81"],
    ):
        subprocess.run(command, check=True, env=environment, timeout=600)
    return python


def test_tensorflow_reads_the_spans_that_were_written_without_it(trained):
    script = (
        "import sys, tensorflow as tf\n"
        "for split in sys.argv[2:]:\n"
        "    files = tf.io.gfile.glob(f'{sys.argv[1]}/{split}/*')\n"
        "    print(sum(1 for _ in tf.data.TFRecordDataset(files, 'GZIP')))\n"
    )
    span = next((trained.folder / "data").glob("*/span-1"))
    splits = ["train", "eval", "test"]
    done = subprocess.run(
        [sys.executable, "-c", script, str(span), *splits],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    events = json.loads((span / "import.json").read_text())["events"]
    assert [int(line) for line in done.stdout.split()] == [events[name] for name in splits]
