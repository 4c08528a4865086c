"""What someone who has Beam and Keras would write: RunInference with a model in its process.

A module of its own, so that Beam pickles the handler by name and not with the model in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import keras
import keras_hub
import tensorflow as tf
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from tfx_pipeline.config import EncoderConfig
from tfx_pipeline.model.encoder import find_encoder, load_backbone, load_tokenizer

_PADDED = 128
_ROWS = 32


@cache
def padded_model() -> Any:
    """The encoder of the exported model with a head of its size: texts to scores.

    In float32, as it comes: Keras' own bfloat16 was many times slower on a processor.
    """
    encoder = find_encoder(EncoderConfig())
    backbone = load_backbone(encoder, "float32")
    head = keras.layers.Dense(1, activation="sigmoid")
    tokens = keras_hub.models.BertTextClassifierPreprocessor(
        load_tokenizer(encoder), sequence_length=_PADDED
    )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def score(texts: tf.Tensor) -> tf.Tensor:
        return head(backbone(tokens(texts))["pooled_output"])[:, 0]

    return score


class PaddedHandler(ModelHandler[str, PredictionResult, Any]):
    """Batches of 32 texts, padded to 128 tokens.

    It does what Beam's own handler for TensorFlow does; that one does not import where setuptools
    no longer has `pkg_resources`.
    """

    def load_model(self) -> Any:
        """The same model for every pipeline of this process."""
        return padded_model()

    def run_inference(
        self, batch: Sequence[str], model: Any, inference_args: dict[str, Any] | None = None
    ) -> Iterable[PredictionResult]:
        """A score for each text."""
        return map(PredictionResult, batch, model(tf.constant(batch)).numpy())

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """How Beam batches."""
        return {"min_batch_size": _ROWS, "max_batch_size": _ROWS}
