"""The encoder reads unlabelled texts, and what comes of it is an encoder like any other."""

from __future__ import annotations

import json
import random

import pytest

pytest.importorskip("tfx")

import numpy as np
import tensorflow as tf

from tfx_pipeline import config
from tfx_pipeline.__main__ import main
from tfx_pipeline.config import EncoderConfig
from tfx_pipeline.model.encoder import find_encoder, load_backbone
from tfx_pipeline.training.masked import Masking


@pytest.fixture
def unlabelled(tmp_path, tiny_bert):
    """A config, and a file of 400 texts in which each letter follows from the one before it."""
    dice = random.Random(0)
    lines = []
    for number in range(400):
        begin, length = dice.randrange(26), 6 + number % 7
        text = " ".join(chr(97 + (begin + place) % 26) for place in range(length))
        lines.append(json.dumps({"text": text}))
    data = tmp_path / "events.jsonl"
    data.write_text("\n".join([*lines, '{"other": 1}']) + "\n", encoding="utf-8")
    path = tmp_path / "m.yaml"
    path.write_text(
        f"""
name: m
task: anomaly
pipeline_root: {tmp_path}/pipelines
data: {{format: {{kind: json}}, text: "{{text}}", label: label, normal: [ok]}}
encoder: {{preset: {tiny_bert}, max_length: 8}}
pretraining: {{epochs: 4, learning_rate: 0.01, batch_tokens: 256}}
training: {{precision: float32}}
""",
        encoding="utf-8",
    )
    return path, data


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_guesses_better_and_is_an_encoder_like_any_other(unlabelled, tmp_path, capfd):
    path, data = unlabelled
    output = tmp_path / "encoder"
    given = ["pretrain", "--config", str(path), "--data", str(data), "--output", str(output)]
    assert main(given) == 0
    printed = capfd.readouterr()
    distinct = len(set(data.read_text(encoding="utf-8").splitlines())) - 1
    assert f"400 texts, {distinct} distinct; 1 rows hold none" in printed.out
    losses = [
        float(word.strip(","))
        for word in printed.out.partition("held-out texts:")[2].splitlines()[0].split()
        if word[0].isdigit()
    ]
    assert losses[-1] < losses[0] - 0.5
    assert "epoch 4/4 done" in printed.out
    assert "Warning" not in printed.out + printed.err

    encoder = find_encoder(EncoderConfig(preset=str(output)))
    assert f"preset: {output}\n  sha256: {encoder.sha256}" in printed.out
    backbone = load_backbone(encoder, "float32", word_shapes=True)
    before = load_backbone(find_encoder(config.load(path).encoder), "float32", word_shapes=True)
    assert any(
        np.abs(a.numpy() - b.numpy()).max() > 1e-3
        for a, b in zip(backbone.weights, before.weights, strict=True)
    )

    # Nothing is written over.
    assert main(given) == 1
    assert f"{output}: is there already" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("lines", "said"),
    [(["{}"], "0 distinct texts; 40 are the least"), (None, "no such file")],
)
def test_what_cannot_be_learned_from_is_said_at_once(unlabelled, tmp_path, capsys, lines, said):
    path, _ = unlabelled
    data = tmp_path / "few.jsonl"
    if lines is not None:
        data.write_text("\n".join(lines), encoding="utf-8")
    given = ["pretrain", "--config", str(path), "--data", str(data)]
    assert main([*given, "--output", str(tmp_path / "encoder")]) == 1
    assert said in capsys.readouterr().err


def test_what_is_hidden_is_a_share_of_the_pieces_and_never_special():
    tf.random.set_seed(1)
    rows = np.full((200, 50), 9, np.int32)
    rows[:, 0], rows[:, 20], rows[:, 21:] = 2, 3, 0
    rows[0, 1:] = [9, 3, *[0] * 47]
    batch = {"inputs": {"token_ids": rows, "padding_mask": (rows > 0).astype(np.int32)}}
    inputs, targets = Masking(0.2, mask=4, vocabulary=100, special=(0, 2, 3))(batch)
    places = inputs["places"].numpy()
    assert (rows.reshape(-1)[places] == 9).all()
    assert (targets.numpy() == 9).all()
    assert len(places) == pytest.approx(0.2 * 199 * 19, rel=0.1)
    # Each text has something to guess, even one of a single piece.
    assert set(places // 50) == set(range(200))
    shown = inputs["token_ids"].numpy().reshape(-1)
    assert np.mean(shown[places] == 4) == pytest.approx(0.8, abs=0.06)
    assert np.mean(shown[places] == 9) == pytest.approx(0.1, abs=0.05)
    untouched = np.setdiff1d(np.arange(rows.size), places)
    assert (shown[untouched] == rows.reshape(-1)[untouched]).all()
