"""What all tests share: where real data is, and a BERT small enough for a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
