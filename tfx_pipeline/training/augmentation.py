"""Training texts changed at random, anew in each epoch, the same way in every run.

Deletion, swaps and synonyms follow EDA (Wei & Zou 2019).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfx_pipeline import features
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.config.training import AugmentationConfig
from tfx_pipeline.errors import ConfigError
from tfx_pipeline.model.encoder import find_encoder, load_vocabulary
from tfx_pipeline.preprocessing import Tokenizer

Synonyms = Callable[[str], list[str]]

# Neighbours on the rows of a QWERTY keyboard.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")


def augmented(train: tf.data.Dataset, config: PipelineConfig) -> tf.data.Dataset:
    """Return the examples with `token_ids` of changed texts; `text` stays what it was.

    Raises:
        ConfigError: what the config asks for is not installed, not readable or not for the task.
    """
    wanted = config.training.augmentation
    if wanted.of_words:
        if config.task == "token":
            raise ConfigError(
                "training.augmentation: a token task knows mask alone; drop the others"
            )
        train = _reworded(train, config, wanted)
    if wanted.mask > 0:
        train = _masked(train, config, wanted)
    return train


def reword(
    text: str,
    wanted: AugmentationConfig,
    random: np.random.Generator,
    synonyms: Synonyms,
) -> str:
    """Change the words of a text; at least one word stays."""
    words = text.split()
    kept = [word for word in words if random.random() >= wanted.delete] or words[:1]
    for place in range(len(kept)):
        if random.random() < wanted.synonym and (others := synonyms(kept[place].lower())):
            kept[place] = others[random.integers(len(others))]
        if random.random() < wanted.typo:
            kept[place] = _slip(kept[place], random)
        if place and random.random() < wanted.swap:
            kept[place - 1], kept[place] = kept[place], kept[place - 1]
    return " ".join(kept)


def find_synonyms(wanted: AugmentationConfig) -> Synonyms:
    """Return the function from a lower-case word to its synonyms."""
    if wanted.synonym == 0:
        return lambda _: []
    if wanted.synonyms is not None:
        found = _read(wanted.synonyms)
        return lambda word: list(found.get(word, ()))
    try:
        from nltk.corpus import wordnet

        wordnet.ensure_loaded()
    except (ImportError, LookupError) as error:
        raise ConfigError(
            "training.augmentation.synonym: WordNet is not installed (nltk and its corpus "
            "wordnet); install it or give a file in training.augmentation.synonyms"
        ) from error
    return functools.lru_cache(maxsize=50_000)(
        lambda word: sorted(
            {
                lemma.replace("_", " ")
                for meaning in wordnet.synsets(word)
                for lemma in meaning.lemma_names()
            }
            - {word}
        )
    )


def find_hook(name: str | None) -> Callable[[str], str]:
    """Import the user's function; without one, texts stay as they are."""
    if name is None:
        return lambda text: text
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"training.augmentation.hook: {name}: {error}") from error


def _read(path: Path) -> Mapping[str, tuple[str, ...]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"training.augmentation.synonyms: {error}") from error
    groups = [[word.strip().lower() for word in line.split("\t") if word.strip()] for line in lines]
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for word in group:
            others = tuple(other for other in group if other != word)
            found[word] = found.get(word, ()) + others
    return found


def _slip(word: str, random: np.random.Generator) -> str:
    """Hit a neighbouring key, once."""
    place = int(random.integers(len(word)))
    row = next((row for row in _ROWS if word[place].lower() in row), None)
    if row is None:
        return word
    at = row.index(word[place].lower())
    near = row[at + 1] if at == 0 or (at + 1 < len(row) and random.random() < 0.5) else row[at - 1]
    return word[:place] + near + word[place + 1 :]


def _reworded(
    train: tf.data.Dataset, config: PipelineConfig, wanted: AugmentationConfig
) -> tf.data.Dataset:
    tokenizer = Tokenizer.of(config)
    synonyms, hook = find_synonyms(wanted), find_hook(wanted.hook)
    random = np.random.default_rng(config.training.seed)

    def change(text: bytes) -> bytes:
        if random.random() >= wanted.share:
            return text
        return hook(reword(text.decode("utf-8", "replace"), wanted, random, synonyms)).encode()

    def apply(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        text = tf.numpy_function(change, [example[features.TEXT]], tf.string)
        ids = tokenizer(tf.reshape(text, [1])).values
        return {**example, features.TOKEN_IDS: ids}

    # One after the other: the random numbers have to come in the same order in every run.
    return train.map(apply)


def _masked(
    train: tf.data.Dataset, config: PipelineConfig, wanted: AugmentationConfig
) -> tf.data.Dataset:
    vocabulary, _ = load_vocabulary(find_encoder(config.encoder))
    mask = vocabulary.index("[MASK]")
    seeds = tf.data.Dataset.random(seed=config.training.seed, rerandomize_each_iteration=True)

    def apply(example: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = example[features.TOKEN_IDS]
        key = tf.stack([seed, tf.constant(config.training.seed, tf.int64)])
        drawn = tf.random.stateless_uniform([tf.size(ids) + 1], key)
        hit = (drawn[1:] < wanted.mask) & (drawn[0] < wanted.share)
        # [CLS] and [SEP] stay.
        place = tf.range(tf.size(ids))
        hit &= (place > 0) & (place < tf.size(ids) - 1)
        return {**example, features.TOKEN_IDS: tf.where(hit, mask, ids)}

    return tf.data.Dataset.zip((train, seeds)).map(apply)
