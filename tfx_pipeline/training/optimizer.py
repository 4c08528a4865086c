"""AdamW with a rate of its own for each layer."""

from __future__ import annotations

import re
from typing import Any

import keras

from tfx_pipeline.config.training import TrainingConfig
from tfx_pipeline.training.schedule import WarmupLinearDecay

_LAYER = re.compile(r"transformer_layer_(\d+)")


@keras.saving.register_keras_serializable(package="livebert")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW whose rate falls by `layer_decay` from each encoder layer to the one below it.

    The layers near the text hold what is general and should move least (Howard & Ruder 2018,
    "discriminative fine-tuning"). The head has the full rate, the embeddings the lowest.
    """

    def __init__(self, *args: Any, layers: int = 0, layer_decay: float = 1.0, **options: Any):
        super().__init__(*args, **options)
        self._layers = layers
        self._layer_decay = layer_decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable, at the rate of its layer."""
        share = self._layer_decay ** self._below_head(variable)
        super().update_step(gradient, variable, learning_rate * share)

    def _below_head(self, variable: Any) -> int:
        # TensorFlow's trainer hands over the variables beneath Keras' own.
        path = getattr(variable, "path", None) or variable.name
        found = _LAYER.search(path)
        if found:
            return self._layers - int(found.group(1))
        return self._layers + 1 if "embedding" in path else 0

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"layers": self._layers, "layer_decay": self._layer_decay}
        return {**super().get_config(), **own}


def build_optimizer(training: TrainingConfig, layers: int, batches: int) -> LayerwiseAdamW:
    """Return the optimizer of a training of `batches` batches on an encoder of `layers` layers.

    The schedule counts batches, as Keras' optimizers do under accumulation too.
    """
    optimizer = LayerwiseAdamW(
        WarmupLinearDecay(training.learning_rate, batches, training.warmup),
        weight_decay=training.weight_decay,
        global_clipnorm=training.clip_norm,
        gradient_accumulation_steps=training.accumulate if training.accumulate > 1 else None,
        use_ema=training.average == "ema",
        ema_momentum=training.ema_decay,
        layers=layers,
        layer_decay=training.layer_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
