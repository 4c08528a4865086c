"""The config's search space as KerasTuner's, and the oracles that choose from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import oracle

from tfx_pipeline.config import PipelineConfig, SearchConfig


def hyperparameters(config: PipelineConfig) -> keras_tuner.HyperParameters:
    """Return the space that `tuning.parameters` spans, without KerasTuner's own defaults."""
    space = keras_tuner.HyperParameters()
    for key, search in config.tuning.parameters.items():
        if search.linear is not None:
            space.Float(key, *search.linear)
        elif search.log is not None:
            space.Float(key, *search.log, sampling="log")
        elif search.integer is not None:
            space.Int(key, *search.integer)
        else:
            space.Choice(key, list(_of_one_type(search)))
    return space


def value_of(config: PipelineConfig, key: str) -> Any:
    """Return a key's value, for example that of `training.learning_rate`."""
    found: Any = config
    for name in key.split("."):
        found = getattr(found, name)
    return found


def own_values(config: PipelineConfig) -> dict[str, Any]:
    """Return the config's own values of what is tuned, where the space has them."""
    values = {key: value_of(config, key) for key in config.tuning.parameters}
    return {k: v for k, v in values.items() if _holds(config.tuning.parameters[k], v)}


def _holds(search: SearchConfig, value: Any) -> bool:
    if search.choice:
        return value in search.choice
    low, high = search.ends
    return isinstance(value, int | float) and low <= value <= high


def _of_one_type(search: SearchConfig) -> tuple[Any, ...]:
    if any(isinstance(value, float) for value in search.choice):
        return tuple(float(value) for value in search.choice)
    return search.choice


class _Opening:
    """What both oracles add to KerasTuner's: the config's own values first, and an end in time.

    `own` are those values; `time_left` says whether one more trial may begin.
    """

    own: Mapping[str, Any]

    def time_left(self) -> bool:
        """Say whether one more trial may begin."""
        return True

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial, or that there is none."""
        if not self.time_left():
            return {"status": keras_tuner.engine.trial.TrialStatus.STOPPED, "values": None}
        found = super().populate_space(trial_id)  # type: ignore[misc]
        if not self.trials and found.get("values"):
            found["values"] |= self.own
        return found

    def reload(self) -> None:
        """Read the state, the trials in the order they had: the process sums in that order."""
        super().reload()  # type: ignore[misc]
        self.trials = {name: self.trials[name] for name in self.start_order}


class RandomOracle(_Opening, keras_tuner.oracles.RandomSearchOracle):
    """Values drawn at random."""


class BayesianOracle(_Opening, keras_tuner.oracles.BayesianOptimizationOracle):
    """Values where a Gaussian process over the trials so far hopes for most."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial; the same after an interruption as without."""
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        return super().populate_space(trial_id)


def build_oracle(config: PipelineConfig, metric: str) -> oracle.Oracle:
    """Return what chooses the values of the trials, to make `metric` higher."""
    kind = {"bayesian": BayesianOracle, "random": RandomOracle}[config.tuning.algorithm]
    built = kind(
        objective=keras_tuner.Objective(metric, "max"),
        max_trials=config.tuning.trials,
        hyperparameters=hyperparameters(config),
        # KerasTuner takes 0 for none and draws one.
        seed=config.training.seed + 1,
    )
    built.own = own_values(config)
    return built
