from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tfx_pipeline.config import EncoderConfig
from tfx_pipeline.errors import EncoderError
from tfx_pipeline.model.encoder import find_encoder

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# As the published models have them: pieces of one kind of text, cased or not.
VOCABULARIES = {
    "uncased": ["berlin", "##s", "eclair", "!", "user", "_", "1", "##2"],
    "cased": ["Berlin", "##s", "\u00c9clair", "!", "user"],
    "chinese": ["\u4e2d", "\u56fd", "\u4eba", "iPhone", "\uff0c", "\u3002"],
    "multilingual": [
        "\u041f\u0440\u0438",
        "##\u0432\u0435\u0442",
        "\u4e16",
        "\u754c",
        "na\u00efve",
        "\u0939\u093f",
    ],
}


def test_the_default_weights_are_installed_and_are_the_pinned_ones():
    encoder = find_encoder(EncoderConfig())
    assert encoder.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def test_a_length_that_the_encoder_has_no_places_for_is_refused():
    with pytest.raises(EncoderError, match=r"max_length: 600, but .* reads 512 word pieces"):
        find_encoder(EncoderConfig(max_length=600))


def test_another_checksum_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(EncoderError, match=r"has sha256 .* expected 00.*install it again"):
        find_encoder(EncoderConfig(preset=str(tmp_path), sha256="00"))


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(EncoderError, match="no weights in"):
        find_encoder(EncoderConfig(preset=str(tmp_path)))


def test_a_missing_folder_is_refused_with_the_choices():
    with pytest.raises(EncoderError, match=r"no such directory.*all-MiniLM-L6-v2"):
        find_encoder(EncoderConfig(preset="./absent/encoder"))


@pytest.mark.parametrize(
    "preset",
    ["bert_base_zh", "kaggle://keras/bert/keras/bert_base_multi/3", "hf://nobody/no-bert"],
)
def test_without_a_network_a_handle_is_a_line_with_the_remedy(preset, tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match=r"cannot be fetched: .*name their directory") as caught:
        find_encoder(EncoderConfig(preset=preset))
    assert "\n" not in str(caught.value)


def test_a_name_that_nobody_knows_is_refused_with_the_choices():
    with pytest.raises(EncoderError, match=r"no preset of KerasHub.*hf://OWNER/NAME"):
        find_encoder(EncoderConfig(preset="bert_of_the_moon"))


def test_a_fetched_encoder_is_checked_like_a_local_one(tmp_path, monkeypatch):
    import huggingface_hub

    (tmp_path / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(tmp_path))
    right = hashlib.sha256(b"weights").hexdigest()
    found = find_encoder(EncoderConfig(preset="hf://some/bert", sha256=right))
    assert (found.source, found.sha256) == (str(tmp_path), right)
    with pytest.raises(EncoderError, match="expected 00"):
        find_encoder(EncoderConfig(preset="hf://some/bert", sha256="00"))


def made(folder: Path, family: str, words: list[str], lowercase: bool) -> str:
    """Save a tiny encoder of a family as KerasHub does; return where."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(1)
    size = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    if family == "Electra":
        size["embedding_dim"] = 8
    count = {"vocab_size" if family == "Electra" else "vocabulary_size": len(words)}
    backbone = getattr(keras_hub.models, f"{family}Backbone")
    backbone(**size, **count, max_sequence_length=128).save_to_preset(str(folder))
    tokenizer = getattr(keras_hub.models, f"{family}Tokenizer")
    tokenizer(words, lowercase=lowercase).save_to_preset(str(folder))
    return str(folder)


def pieces(preset: str, text: str, cleaning=()) -> list[tuple[str, str]]:
    """Return the pieces of a text by their names, each with the bytes it stands for."""
    import tensorflow as tf

    from tfx_pipeline.model.encoder import load_vocabulary
    from tfx_pipeline.preprocessing import Tokenizer

    vocabulary, lowercase = load_vocabulary(find_encoder(EncoderConfig(preset=preset)))
    tokenizer = Tokenizer(vocabulary, lowercase, 30, cleaning, "token")
    found = tokenizer.with_offsets(tf.constant([text]))
    assert tokenizer(tf.constant([text])).to_list() == found.ids.to_list()
    raw = text.encode()
    places = zip(found.ids[0, 1:-1], found.begin[0, 1:-1], found.end[0, 1:-1], strict=True)
    return [(vocabulary[number], raw[begin:end].decode()) for number, begin, end in places]


# Pieces by their names; after a colon what they stand for where that reads otherwise.
TEXTS = {
    "uncased": (
        "\u00c9clair BERLINs!user_12",
        "eclair:\u00c9clair berlin:BERLIN ##s:s ! user _ 1 ##2:2",
    ),
    "cased": (
        "\u00c9clair Berlins berlin",
        "\u00c9clair Berlin ##s:s [UNK]:berlin",
    ),
    "chinese": (
        "\u4e2d\u56fd\u4ebaiPhone\uff0c\u56fd\u8bed\u3002",
        "\u4e2d \u56fd \u4eba iPhone \uff0c \u56fd [UNK]:\u8bed \u3002",
    ),
    "multilingual": (
        "\u041f\u0440\u0438\u0432\u0435\u0442 \u4e16\u754c na\u00efve",
        "\u041f\u0440\u0438 ##\u0432\u0435\u0442:\u0432\u0435\u0442 \u4e16 \u754c na\u00efve",
    ),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_of_any_language_becomes_the_encoders_pieces(tmp_path, kind):
    text, expected = TEXTS[kind]
    preset = made(tmp_path, "Bert", SPECIAL + VOCABULARIES[kind], kind == "uncased")
    found = [name if name == said else f"{name}:{said}" for name, said in pieces(preset, text)]
    assert found == expected.split(" ")


def test_a_hugging_face_folder_says_itself_whether_it_is_cased(tmp_path):
    made(tmp_path / "keras", "Bert", SPECIAL + VOCABULARIES["cased"], False)
    folder = tmp_path / "hugging-face"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    (folder / "vocab.txt").write_text("\n".join(SPECIAL + VOCABULARIES["cased"]), "utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    assert [name for name, _ in pieces(str(folder), "Berlin berlin")] == ["Berlin", "[UNK]"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["Bert", "DistilBert", "Electra"])
def test_each_family_answers_as_kerashub_has_it(tmp_path, family):
    import keras_hub
    import numpy as np

    from tfx_pipeline.model.encoder import load_backbone

    words = SPECIAL + VOCABULARIES["uncased"]
    encoder = find_encoder(EncoderConfig(preset=made(tmp_path, family, words, True), max_length=8))
    ours = load_backbone(encoder, "float32")
    plain = keras_hub.models.Backbone.from_preset(encoder.source, dtype="float32")
    ids = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], np.int32)
    inputs = {"token_ids": ids, "padding_mask": ids > 0, "segment_ids": np.zeros_like(ids)}
    inputs = {name: inputs[name] for name in plain.input}
    for own, other in zip(*(_flat(model(inputs)) for model in (ours, plain)), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-6)


def _flat(outputs: Any) -> list[Any]:
    return list(outputs.values()) if isinstance(outputs, dict) else [outputs]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["Bert", "DistilBert", "Electra"])
def test_each_family_learns_answers_and_explains(tmp_path, family):
    import numpy as np
    import tensorflow as tf

    from tfx_pipeline.config.training import TrainingConfig
    from tfx_pipeline.model.encoder import load_backbone, load_vocabulary
    from tfx_pipeline.model.explanation import explain
    from tfx_pipeline.model.heads import build_model
    from tfx_pipeline.model.lora import restrict
    from tfx_pipeline.preprocessing import Tokenizer, encoder_inputs
    from tfx_pipeline.training.learner import Learner

    words = SPECIAL + VOCABULARIES["uncased"]
    config = EncoderConfig(preset=made(tmp_path, family, words, True), max_length=8)
    encoder = find_encoder(config)
    tokenizer = Tokenizer(*load_vocabulary(encoder), config.room, ())
    texts = tf.constant(["Berlins ! eclair", "user", "berlin " * 12])
    inputs = encoder_inputs(tokenizer(texts))
    backbone = load_backbone(encoder, "float32")
    restrict(backbone, 0, 1)
    network = build_model(backbone, "classification", 2, 0.1, config)
    learner = Learner(network, TrainingConfig(adversarial=0.1, r_drop=1.0))
    learner.compile("adam", "sparse_categorical_crossentropy")
    before = [np.array(value) for value in network.get_weights()]
    learner.train_on_batch(inputs, np.array([0, 1, 1]), np.ones(3))
    moved = {
        variable.path
        for variable, value in zip(network.weights, before, strict=True)
        if not np.array_equal(value, variable)
    }
    assert any("transformer_layer_1" in path for path in moved)
    assert not any("embedding" in path or "transformer_layer_0" in path for path in moved)
    found = explain(network, "classification", tokenizer.with_offsets(texts))
    assert found["length"].numpy().tolist() == [4, 1, 12]
    assert np.abs(found["attribution"].numpy()).sum() > 0


def test_another_family_is_refused_by_name(tmp_path):
    import keras_hub

    from tfx_pipeline.model.encoder import load_backbone, load_vocabulary

    size = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8}
    backbone = keras_hub.models.RobertaBackbone(vocabulary_size=9, max_sequence_length=128, **size)
    backbone.save_to_preset(str(tmp_path))
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<mask>": 3, "a": 4, "b": 5, "ab": 6}
    keras_hub.models.RobertaTokenizer(vocabulary, ["a b"]).save_to_preset(str(tmp_path))
    encoder = find_encoder(EncoderConfig(preset=str(tmp_path)))
    with pytest.raises(EncoderError, match="is a RobertaBackbone; give a BERT"):
        load_backbone(encoder, "float32")
    with pytest.raises(EncoderError, match="has a RobertaTokenizer, not the word pieces of BERT"):
        load_vocabulary(encoder)
