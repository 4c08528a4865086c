"""What all tests share: where real data is, and a BERT small enough for a test."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipeline import run_pipeline

ROOT = Path(__file__).resolve().parent.parent

# Made in a process of its own: a test process that needs no TensorFlow stays without it.
_MAKE_TINY_BERT = """
import sys
import keras, keras_hub
folder, vocabulary = sys.argv[1:]
words = open(vocabulary, encoding="utf-8").read().split()
keras.utils.set_random_seed(1)
backbone = keras_hub.models.BertBackbone(
    vocabulary_size=len(words), num_layers=2, num_heads=2, hidden_dim=32,
    intermediate_dim=64, max_sequence_length=128,
)
backbone.save_to_preset(folder)
keras_hub.models.BertTokenizer(words, lowercase=True).save_to_preset(folder)
"""


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real data; a test that needs it is skipped where it is not."""
    folder = Path(os.environ.get("LIVEBERT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set LIVEBERT_DATA")
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> Path:
    """Return a KerasHub preset of 2 layers, 32 wide, that spells words in single characters."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    words += [f"##{character}" for character in characters]
    vocabulary = folder / "words.txt"
    vocabulary.write_text("\n".join(words), encoding="utf-8")
    preset = folder / "preset"
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, "-c", _MAKE_TINY_BERT, str(preset), str(vocabulary)],
        check=True,
        env=environment,
        capture_output=True,
        timeout=240,
    )
    return preset


@dataclass(frozen=True)
class Trained:
    """What two runs of the real pipeline left: an anomaly model and a classification model.

    `folder` is the working directory; `anomaly` and `classification` the pushed version
    directories, `anomaly_config` the config of the first, `flags` what both were run with;
    `stream` the lines of its later events; `said` what the commands printed.
    """

    folder: Path
    anomaly: Path
    classification: Path
    anomaly_config: Path
    flags: tuple[str, ...]
    stream: tuple[str, ...]
    said: str


@pytest.fixture(scope="session")
def trained(tmp_path_factory, tiny_bert) -> Trained:
    """Run the real pipeline twice with a tiny BERT: on real data, or on the simulator's."""
    folder = tmp_path_factory.mktemp("trained")
    real = Path(os.environ.get("LIVEBERT_DATA", ROOT.parent / "shared" / "data"))
    flags = ["--set", f"encoder.preset={tiny_bert}", "--set", "training.epochs=1"]
    flags += ["--set", "training.folds=0"]
    flags += ["--set", f"data.root={folder / 'data'}", "--set", "evaluation.bounds=[]"]
    flags += ["--set", f"pipeline_root={folder / 'pipelines'}"]
    flags += ["--set", f"serving.base_path={folder / 'models'}"]
    flags += ["--set", "serving.gate.seconds=0.2"]
    anomaly = _anomaly_data(folder, real)
    classification = _classification_data(folder, real)
    commands = [
        [command, "--config", str(config), *(data if command == "import" else []), *flags]
        for config, data in (anomaly, classification)
        for command in ("import", "run")
    ]
    said = run_pipeline(commands, folder)
    versions = {
        name: next((folder / "models" / name).iterdir())
        for name in (path.stem for path, _ in (anomaly, classification))
    }
    stream = Path(anomaly[1][1]).read_text(encoding="utf-8").splitlines()
    return Trained(
        folder=folder,
        anomaly=versions[anomaly[0].stem],
        classification=versions[classification[0].stem],
        anomaly_config=anomaly[0],
        flags=tuple(flags),
        stream=tuple(stream[-len(stream) * 2 // 5 :]),
        said=said,
    )


def _anomaly_data(folder: Path, real: Path) -> tuple[Path, list[str]]:
    log = real / "loghub" / "BGL_2k.log"
    if log.is_file():
        return ROOT / "configs" / "bgl.yaml", ["--data", str(log)]
    return _simulated(folder, "service-events", "anomaly", "label")


def _classification_data(folder: Path, real: Path) -> tuple[Path, list[str]]:
    train = real / "banking77" / "train.csv"
    if not train.is_file():
        return _simulated(folder, "severities", "classification", "severity")
    # Some intents, not all: the test is of the chain.
    small = folder / "banking77.csv"
    with train.open(encoding="utf-8", newline="") as source, small.open("w", newline="") as target:
        rows = list(csv.reader(source))
        kept = sorted({row[1] for row in rows[1:]})[:5]
        csv.writer(target).writerows([rows[0], *(row for row in rows if row[1] in kept)])
    return ROOT / "configs" / "banking77.yaml", ["--data", str(small)]


def _simulated(folder: Path, name: str, task: str, label: str) -> tuple[Path, list[str]]:
    events = folder / "history.jsonl"
    if not events.exists():
        command = [sys.executable, "-m", "examples.event_simulator", "history", "--events", "1500"]
        subprocess.run([*command, "--out", str(events)], check=True, cwd=ROOT, timeout=60)
    config = folder / f"{name}.yaml"
    config.write_text(
        f"name: {name}\ntask: {task}\ndata:\n  text: '{{service}} {{message}}'\n"
        f"  label: {label}\n  event_id: event_id\n  event_time: {{field: event_time}}\n",
        encoding="utf-8",
    )
    return config, ["--data", str(events)]
