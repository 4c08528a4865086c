"""One training step: the loss, and the regularisers that need more than one pass.

R-Drop               two passes under different dropout must agree (Wu et al. 2021)
multi-sample dropout the head is read under several dropout masks, their losses averaged
                     (Inoue 2019)
FGM                  a second loss on word embeddings moved against their gradient, by a step of
                     `adversarial` times their norm (Miyato, Dai & Goodfellow 2017)
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfx_pipeline.config.training import TrainingConfig
from tfx_pipeline.model.heads import token_embedding


@keras.saving.register_keras_serializable(package="livebert")
class Learner(keras.Model):
    """A network with the step that trains it; its own answer is what early stopping judges.

    Args:
        network: what `build_model` returns.
        training: which regularisers take part, and how strongly.
    """

    def __init__(self, network: keras.Model, training: TrainingConfig) -> None:
        super().__init__(name="learner")
        self.network = network
        self._training = training
        self._cut, self._join = network.get_layer("cut_windows"), network.get_layer("join_windows")
        head = network.get_layer("head")
        self._of = head.get_layer
        # A DistilBERT knows no segments and embeds places with the words; an ELECTRA may embed in
        # fewer dimensions than it thinks in.
        self._inputs, self._words = tuple(head.input), token_embedding(head)
        names = {layer.name for layer in head.layers}
        projection = "embeddings_projection"
        self._projection = head.get_layer(projection) if projection in names else None
        self._encoder_layers = [
            layer for layer in head.layers if layer.name.startswith("transformer_layer_")
        ]
        self._reads_pieces = len(head.output["logits"].shape) == 3
        # The network is: what keeps the state of a training may ask before the first batch.
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the network's logits, of an anomaly those of the part that is trained.

        Their lesser says nothing before both parts are on one scale, which is after training.
        """
        found = self.network(inputs, training=training)
        return found["parts"][:, :1] if "parts" in found else found["logits"]

    def train_step(self, data: Any) -> Any:
        """Take one step and return the running loss and metrics."""
        inputs, target, weight = data
        adversarial = self._training.adversarial
        shares = self._shares(weight)
        with tf.GradientTape() as tape:
            loss, logits, embedded = self._loss(inputs, target, weight, shares, 0.0)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_weights
        if adversarial > 0:
            gradients, against = tape.gradient(scaled, (variables, embedded))
            shift = _against(embedded, against, adversarial)
            with tf.GradientTape() as tape:
                moved, _, _ = self._loss(inputs, target, weight, shares, shift)
                scaled = self.optimizer.scale_loss(moved)
            more = tape.gradient(scaled, variables)
            gradients = [_sum(a, b) for a, b in zip(gradients, more, strict=True)]
        else:
            gradients = tape.gradient(scaled, variables)
        # Added up before anything looks at them: Keras would clip, accumulate and search for
        # infinities on each device by itself.
        gradients = _summed(gradients)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self._loss_tracker.update_state(_everywhere(loss), sample_weight=tf.shape(target)[0])
        return self.compute_metrics(inputs, target, logits, weight)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Build for several devices from what the batches are declared to be.

        Keras would take the mean of the parts of the first batch, which need not be of one size.
        """
        if self._distribute_strategy is not None and iterator is not None:
            with self._distribute_strategy.scope():
                self._symbolic_build(data_batch=iterator.data_adapter.get_tf_dataset().element_spec)

    def _shares(self, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return this device's share of what the batch's loss and disagreement are means over.

        Where one device takes all of the batch both are 1; one that has no text has 0.
        """
        counted = tf.reduce_sum(tf.cast(weight > 0, tf.float32))
        over = tf.reduce_sum(weight) if self._reads_pieces else tf.shape(weight)[0]
        own = tf.stack([tf.cast(over, tf.float32), counted])
        shares = tf.math.divide_no_nan(own, _everywhere(own))
        return shares[0], shares[1]

    def _loss(
        self,
        inputs: Any,
        target: tf.Tensor,
        weight: tf.Tensor,
        shares: tuple[tf.Tensor, tf.Tensor],
        shift: Any,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the loss of one or two passes, the logits and the embeddings of the first.

        The loss is what this device adds to that of the batch.
        """
        twice = self._training.r_drop > 0
        passes = [self._pass(inputs, shift) for _ in range(2 if twice else 1)]
        losses = [
            self.compute_loss(inputs, target, logits, weight, training=True)
            for samples, _ in passes
            for logits in samples
        ]
        # Keras takes the devices' batches for equally large, and has divided by their number.
        devices = tf.distribute.get_strategy().num_replicas_in_sync
        loss = tf.add_n(losses) / len(losses) * devices * shares[0]
        first, embedded = passes[0][0][0], passes[0][1]
        if twice:
            apart = _disagreement(first, passes[1][0][0], weight)
            loss += self._training.r_drop * apart * shares[1]
        return loss, first, embedded

    def _pass(self, inputs: Any, shift: Any) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Return the logits under each dropout mask of the head, and the embeddings."""
        mask = inputs["padding_mask"]
        windows = self._cut(inputs["token_ids"], mask)
        text = windows.pop("text")
        embedded = self._embed(windows)
        pieces = self._encode(embedded + shift, windows["padding_mask"])
        pooled = self._of("pooled")(pieces, windows["padding_mask"])
        read = pieces if self._reads_pieces else pooled
        samples = [
            self._of("logits")(self._of("dropout")(read, training=True))
            for _ in range(self._training.dropout_samples)
        ]
        return [self._join(logits, pooled, text, mask)["logits"] for logits in samples], embedded

    def _embed(self, windows: Any) -> tf.Tensor:
        """Return the sum of word, position and segment embeddings, [k, F, d]."""
        words = self._words(windows["token_ids"])
        if "segment_ids" not in self._inputs:
            return words
        places = self._of("position_embedding")(words)
        segments = self._of("segment_embedding")(windows["segment_ids"])
        return self._of("embeddings_add")((words, places, segments))

    def _encode(self, embedded: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Run the encoder from its embeddings on."""
        pieces = self._of("embeddings_layer_norm")(embedded)
        pieces = self._of("embeddings_dropout")(pieces, training=True)
        if self._projection is not None:
            pieces = self._projection(pieces)
        for layer in self._encoder_layers:
            pieces = layer(pieces, padding_mask=mask, training=True)
        return pieces


def _against(embedded: tf.Tensor, against: tf.Tensor, size: float) -> tf.Tensor:
    """Return the shift of each text's embeddings, `size` of their own norm long."""
    gradient = tf.cast(against, tf.float32)
    own = tf.norm(tf.cast(embedded, tf.float32), axis=[1, 2], keepdims=True)
    length = tf.norm(gradient, axis=[1, 2], keepdims=True)
    shift = size * own * tf.math.divide_no_nan(gradient, length)
    return tf.stop_gradient(tf.cast(shift, embedded.dtype))


def _disagreement(first: tf.Tensor, second: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Return the symmetric KL divergence of two passes (squared distance for one logit)."""
    if first.shape[-1] == 1:
        apart = tf.square(first - second)[..., 0]
    else:
        p, q = tf.nn.log_softmax(first), tf.nn.log_softmax(second)
        apart = 0.5 * tf.reduce_sum((tf.exp(p) - tf.exp(q)) * (p - q), axis=-1)
    counted = tf.cast(weight > 0, apart.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(apart * counted), tf.reduce_sum(counted))


def _everywhere(value: Any) -> Any:
    """Return the sum over all devices of a tensor, or of each of a list of them."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def _summed(gradients: list[Any]) -> list[Any]:
    """Return the gradients of the batch from those of this device's part of it."""
    found = iter(_everywhere([gradient for gradient in gradients if gradient is not None]))
    return [None if gradient is None else next(found) for gradient in gradients]


def _sum(first: Any, second: Any) -> Any:
    if first is None or second is None:
        return second if first is None else first
    return tf.convert_to_tensor(first) + tf.convert_to_tensor(second)
