"""Folds by template: what the model has seen never judges it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tfx_pipeline.test_training import LABELS, config_of, examples

keras = pytest.importorskip("keras")

from tfx_pipeline.evaluation.baselines import template  # noqa: E402
from tfx_pipeline.model.encoder import find_encoder  # noqa: E402
from tfx_pipeline.training.cross_validation import (  # noqa: E402
    cross_validate,
    fold_of,
    folds_of,
)
from tfx_pipeline.training.fine_tuning import FineTuning  # noqa: E402
from tfx_pipeline.training.scoring import Scored  # noqa: E402
from tfx_pipeline.training.watching import Watch  # noqa: E402


def test_a_template_stays_together_and_rare_labels_are_dealt_out():
    texts = [f"kind {'abcdefghijkl'[n % 12]} took {n} ms" for n in range(240)]
    # Templates a, b and c are abnormal: each fold of three gets one.
    ids = np.array([int(n % 12 < 3) for n in range(240)])
    folds = fold_of(texts, ids, 3, seed=0)
    of_template: dict[str, set[int]] = {}
    for text, fold in zip(texts, folds.tolist(), strict=True):
        of_template.setdefault(template(text), set()).add(fold)
    assert all(len(found) == 1 for found in of_template.values())
    assert [ids[folds == fold].sum() for fold in range(3)] == [20, 20, 20]
    assert [(folds == fold).sum() for fold in range(3)] == [80, 80, 80]


class _Epochs(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)


@pytest.mark.slow
def test_folds_choose_epochs_and_survive_a_kill(tiny_bert, tmp_path):
    random = np.random.default_rng(0)
    ids = random.integers(0, 2, 90)
    texts = ["".join(random.choice(list("ab" if low else "yz"), 6)) for low in ids == 0]
    config = config_of(tiny_bert, folds=3, epochs=3, average="swa")
    keras.utils.set_random_seed(0)
    data = examples(config, texts, ids)
    tuning = FineTuning(config, find_encoder(config.encoder), LABELS, tmp_path)
    folds = folds_of(tuning, data)
    chosen = cross_validate(tuning, data, folds, Watch())
    assert isinstance(chosen.scored, Scored)
    assert 1 <= chosen.epochs <= 3
    assert sorted(chosen.scored.texts) == sorted(texts)
    assert (chosen.scored.logits.argmax(axis=1) == chosen.scored.targets).mean() > 0.9
    # As after a kill in the last fold: the others are read, not trained.
    (tmp_path / "fold-2" / "done.json").unlink()
    again = cross_validate(tuning, data, folds, Watch())
    assert again.epochs == chosen.epochs
    epochs = _Epochs()
    tuning.run(data, None, [epochs], stop_after=2)
    assert epochs.seen == [0, 1]
