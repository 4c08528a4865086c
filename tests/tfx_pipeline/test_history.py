"""The figures of a training, epoch by epoch, as the review reads them."""

from __future__ import annotations

import csv

import pytest

pytest.importorskip("keras")

from tfx_pipeline.training.history import History


def test_folds_are_averaged_and_their_pooled_figure_stands_beside(tmp_path):
    history = History("average_precision")
    for losses in ([0.8, 0.4], [0.6]):
        keeper = history.callbacks(by_epoch=False)[-1]
        for epoch, loss in enumerate(losses):
            keeper.on_epoch_end(epoch, {"loss": loss})
    history.pooled([0.5, 0.7])
    history.write(str(tmp_path / "run"))
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == [
        {"epoch": 0, "loss": pytest.approx(0.7), "val_average_precision": 0.5},
        {"epoch": 1, "loss": 0.4, "val_average_precision": 0.7},
    ]


def test_a_training_that_went_on_has_the_epochs_it_saw(tmp_path):
    history = History("accuracy")
    keeper = history.callbacks()[-1]
    keeper.on_epoch_end(3, {"loss": 0.2, "val_accuracy": 0.9})
    assert history.rows() == [{"epoch": 3, "loss": 0.2, "val_accuracy": 0.9}]
    History("accuracy").write(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
