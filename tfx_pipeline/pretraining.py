"""An encoder that has read an organisation's own texts before it is fine-tuned on labelled ones.

Pretraining goes on with masked language modelling on unlabelled texts (Gururangan et al. 2020,
"Don't stop pretraining"). What comes of it is an encoder like any other: a KerasHub preset in a
folder, which `encoder.preset` names.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tfx_pipeline.config import PipelineConfig, TrainingConfig
from tfx_pipeline.dataset.unlabelled import Unlabelled, read_unlabelled
from tfx_pipeline.errors import DataError, EncoderError
from tfx_pipeline.model.encoder import (
    Encoder,
    find_encoder,
    load_backbone,
    load_tokenizer,
    load_vocabulary,
)
from tfx_pipeline.screen import noise_into

if TYPE_CHECKING:
    import tensorflow as tf

    from tfx_pipeline.preprocessing import Tokenizer
    from tfx_pipeline.training.masked import Masking

# One text in so many is never learned from: it tells how well the others taught.
_HELD_OUT = 20
# The rate of a head that is fitted to an encoder which stands still.
_HEAD_RATE = 1e-3


@dataclass(frozen=True)
class Pretrained:
    """What was read and learned, and the encoder that came of it.

    `losses` are the held-out texts' mean cross entropies in nats, by epoch; the first is that of
    the encoder as it was.
    """

    texts: int
    distinct: int
    rejected: int
    losses: tuple[float, ...]
    encoder: Encoder


def pretrain(config: PipelineConfig, files: Sequence[Path], output: Path) -> Pretrained:
    """Go on with the encoder's pretraining on the texts of the files; write it to `output`.

    Texts are cleaned and cut as the model's own are; of equal ones one is read.

    Raises:
        DataError: `output` is there already, a file is not, or they hold too few texts.
        EncoderError: the encoder's files are not there, or not the pinned ones.
    """
    if output.exists():
        raise DataError(f"--output {output}: is there already; name another folder")
    encoder = find_encoder(config.encoder)
    found = list(read_unlabelled(config, files))
    texts = [event.text for event in found if isinstance(event, Unlabelled)]
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < 2 * _HELD_OUT:
        raise DataError(
            f"pretrain: {len(distinct)} distinct texts; {2 * _HELD_OUT} are the least to learn from"
        )
    noise = config.root / "logs" / f"pretrain-{time.strftime('%Y%m%dT%H%M%S')}.log"
    noise.parent.mkdir(parents=True, exist_ok=True)
    with noise_into(noise) as screen, _told(screen):
        losses = _learn(config, encoder, distinct, output)
    made = {"preset": str(output), "sha256": None}
    written = find_encoder(config.encoder.model_copy(update=made))
    return Pretrained(len(texts), len(distinct), len(found) - len(texts), losses, written)


@contextmanager
def _told(screen: TextIO) -> Iterator[None]:
    """Print the progress."""
    progress = logging.getLogger("tfx_pipeline.progress")
    handler = logging.StreamHandler(screen)
    progress.addHandler(handler)
    progress.setLevel(logging.INFO)
    try:
        yield
    finally:
        progress.removeHandler(handler)


def _learn(
    config: PipelineConfig, encoder: Encoder, texts: Sequence[str], output: Path
) -> tuple[float, ...]:
    """Train, write the preset, and return the held-out losses."""
    import keras
    import tensorflow as tf

    from tfx_pipeline import precision
    from tfx_pipeline.preprocessing import Tokenizer
    from tfx_pipeline.progress import EpochProgress, log
    from tfx_pipeline.training.batches import bucket
    from tfx_pipeline.training.masked import MaskedLanguageModel
    from tfx_pipeline.training.optimizer import build_optimizer

    seed, asked = config.training.seed, config.pretraining
    keras.utils.set_random_seed(seed)
    masking = _masking(asked.mask, encoder)
    # The shapes of words are no part of what is guessed.
    tokenizer = Tokenizer.of(config.with_values({"encoder.word_shapes": False}))
    longest = config.encoder.max_length
    held_out = texts[::_HELD_OUT]
    learned = [text for place, text in enumerate(texts) if place % _HELD_OUT]
    batches = bucket(_windows(learned, tokenizer, longest), asked.batch_tokens, seed)
    steps = sum(1 for _ in batches)
    shown = batches.map(masking).apply(tf.data.experimental.assert_cardinality(steps))
    # What is hidden of the held-out texts is drawn once, so that epochs can be compared.
    seen = _windows(held_out, tokenizer, longest)
    judged = bucket(seen, asked.batch_tokens).map(masking).cache()
    backbone = load_backbone(encoder, precision.policy(config.training.precision))
    model = MaskedLanguageModel(backbone)
    losses = []
    # The head is new, and would pull the encoder about: it learns alone first.
    for epochs, trained in ((1, False), (asked.epochs, True)):
        backbone.trainable = trained
        rate = TrainingConfig(learning_rate=asked.learning_rate if trained else _HEAD_RATE)
        model.compile(
            build_optimizer(rate, backbone.num_layers, steps * epochs),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        log.info("all of it, %d epochs" if trained else "the new head alone, %d epoch", epochs)
        history = model.fit(
            shown,
            validation_data=judged,
            epochs=epochs,
            verbose=0,
            callbacks=[EpochProgress(epochs, steps)],
        ).history
        losses += history["val_loss"]
    _write(backbone, load_tokenizer(encoder), output)
    return tuple(losses)


def _masking(share: float, encoder: Encoder) -> Masking:
    from tfx_pipeline.training.masked import Masking

    vocabulary, _ = load_vocabulary(encoder)
    if "[MASK]" not in vocabulary:
        raise EncoderError(
            f"encoder.preset: {encoder.preset}: its vocabulary has no [MASK]; take another encoder"
        )
    special = [vocabulary.index(name) for name in ("[PAD]", "[CLS]", "[SEP]")]
    return Masking(share, vocabulary.index("[MASK]"), len(vocabulary), tuple(special))


def _windows(texts: Sequence[str], tokenizer: Tokenizer, longest: int) -> tf.data.Dataset:
    """Return what the encoder reads at once: int32 `token_ids`, [CLS] to [SEP].

    At most `longest` of them; they are made once, not anew in each epoch.
    """
    import tensorflow as tf

    from tfx_pipeline import features

    room = longest - 2

    def cut(ids: tf.Tensor) -> tf.data.Dataset:
        inner = ids[1:-1]
        starts = tf.range(0, tf.size(inner), room)
        return tf.data.Dataset.from_tensor_slices(starts).map(
            lambda start: {
                features.TOKEN_IDS: tf.concat(
                    [ids[:1], inner[start : start + room], ids[-1:]], axis=0
                )
            }
        )

    given = tf.data.Dataset.from_tensor_slices(list(texts)).batch(256).map(tokenizer)
    return given.unbatch().flat_map(cut).cache()


def _write(backbone: Any, tokenizer: Any, output: Path) -> None:
    """Write a KerasHub preset; the folder is there only when it is whole."""
    draft = output.with_name(f".{output.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    backbone.save_to_preset(str(draft))
    tokenizer.save_to_preset(str(draft))
    draft.rename(output)
