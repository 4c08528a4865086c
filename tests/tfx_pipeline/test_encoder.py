from __future__ import annotations

import pytest

from tfx_pipeline.config import EncoderConfig
from tfx_pipeline.errors import EncoderError
from tfx_pipeline.model.encoder import find_encoder


def test_the_default_weights_are_installed_and_are_the_pinned_ones():
    encoder = find_encoder(EncoderConfig())
    assert encoder.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


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


def test_a_handle_is_left_to_kerashub():
    assert find_encoder(EncoderConfig(preset="bert_tiny_en_uncased")).sha256 is None
    assert find_encoder(EncoderConfig(preset="hf://google-bert/bert-base")).sha256 is None
