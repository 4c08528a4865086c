"""AdamW with a rate of its own for each layer."""

from __future__ import annotations

import re
from typing import Any

import keras
import tensorflow as tf

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
        """Update one variable, at the rate of its layer.

        TensorFlow's one operation for all of Adam's: Keras' fifteen took most of the time before a
        first batch, and read and write each weight as often.
        """
        share = self._layer_decay ** self._below_head(variable)
        place, kind = self._get_variable_index(variable), variable.dtype
        rate = tf.cast(learning_rate, kind)
        if self.weight_decay is not None and self._use_weight_decay(variable):
            variable.assign(variable * (1 - self.weight_decay * rate))
        step = tf.cast(tf.convert_to_tensor(self.iterations), kind) + 1
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, kind), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, kind), step),
            lr=rate * share,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )

    def _backend_apply_gradients(self, grads: Any, trainable_variables: Any) -> None:
        """Take a step, or only add to the gradients that a later step takes."""
        if not self.gradient_accumulation_steps or _devices() == 1:
            super()._backend_apply_gradients(grads, trainable_variables)
            return
        # Keras decides on each device, where TensorFlow forbids a branch to update what they
        # share; here it is decided once, for all of them.
        context = tf.distribute.get_replica_context()
        context.merge_call(self._accumulate, args=(grads, trainable_variables))

    def _apply_weight_decay(self, variables: Any) -> None:
        """Leave it to `update_step`: each weight is read and written once for it, not thrice."""

    def _accumulate(self, strategy: Any, grads: Any, variables: Any) -> None:
        accumulated = [self._accumulated_gradients[self._get_variable_index(v)] for v in variables]

        def step(grads: Any) -> None:
            steps = self.gradient_accumulation_steps
            mean = [(g + own) / steps for g, own in zip(grads, accumulated, strict=True)]
            mean = self._clip_gradients(mean)
            self._backend_update_step(mean, variables, self.learning_rate)
            self._backend_reset_gradient_accumulators()

        def add(grads: Any) -> None:
            self._backend_increment_gradient_accumulators(grads, accumulated)

        each = strategy.extended.call_for_each_replica
        last = (self._iterations + 1) % self.gradient_accumulation_steps == 0
        tf.cond(last, lambda: each(step, (grads,)), lambda: each(add, (grads,)))

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        """Return the gradients as they are: the Learner has added up those of all devices."""
        return grads_and_vars

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


def _devices() -> int:
    return tf.distribute.get_strategy().num_replicas_in_sync


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
