"""The SavedModel, in the form TF Serving loads: plain signatures, every variable tracked.

TF Serving restores a SavedModel in a session. A Keras 3 model as an attribute of the exported
module would leave its variables uninitialised there; so the model stays in a closure and the
module tracks its raw variables.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from tfx_pipeline import features, precision
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.model.calibration import Calibration
from tfx_pipeline.model.encoder import Encoder, load_backbone
from tfx_pipeline.model.heads import build_model
from tfx_pipeline.model.novelty import novelty
from tfx_pipeline.preprocessing import Pieces, Tokenizer, encoder_inputs

CARD = "model_card.json"
WARMUP = "tf_serving_warmup_requests"

Outputs = dict[str, tf.Tensor]


def save(
    *,
    path: str,
    config: PipelineConfig,
    encoder: Encoder,
    model: keras.Model,
    labels: Sequence[str],
    calibration: Calibration,
    references: npt.NDArray[np.float32],
    transform: tft.TFTransformOutput,
    card: dict[str, Any],
    warmup_texts: Sequence[str],
) -> None:
    """Write the SavedModel with its signatures, its card and its warm-up requests."""
    network = serving_network(config, encoder, model)
    tokenizer = Tokenizer.of(config)
    module = tf.Module()
    module.weights = [variable.value for variable in network.variables]
    module.references = tf.Variable(references, trainable=False, name="references")
    module.transform_layer = transform.transform_features_layer()

    def answer(text: tf.Tensor) -> Outputs:
        if config.task == "token":
            pieces = tokenizer.with_offsets(text)
            outputs = network(encoder_inputs(pieces.ids), training=False)
            return tagged(pieces, outputs["logits"], labels)
        outputs = network(encoder_inputs(tokenizer(text)), training=False)
        if config.task == "classification":
            return _classification(outputs["logits"], labels)
        if config.task == "regression":
            return {"value": outputs["logits"][:, 0]}
        embedding = tf.math.l2_normalize(outputs["pooled"], axis=1)
        return _anomaly(outputs["logits"][:, 0], labels, calibration) | {
            "novelty": novelty(embedding, module.references)
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serving_default(text: tf.Tensor) -> Outputs:
        return answer(text)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_examples(examples: tf.Tensor) -> Outputs:
        spec = {features.TEXT: tf.io.FixedLenFeature([], tf.string)}
        return answer(tf.io.parse_example(examples, spec)[features.TEXT])

    raw_spec = transform.raw_feature_spec()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(examples: tf.Tensor) -> Outputs:
        transformed = module.transform_layer(tf.io.parse_example(examples, raw_spec))
        # A sparse output has no single tensor that TF Serving could fetch.
        return {
            name: tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
            for name, value in transformed.items()
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def embed(text: tf.Tensor) -> Outputs:
        outputs = network(encoder_inputs(tokenizer(text)), training=False)
        return {"embedding": tf.math.l2_normalize(outputs["pooled"], axis=1)}

    @tf.function(input_signature=[])
    def model_card() -> Outputs:
        return {"card": tf.constant([json.dumps(card)])}

    functions: dict[str, Callable[..., Outputs]] = {
        features.SERVING_DEFAULT: serving_default,
        features.SERVING_EXAMPLES: serving_examples,
        features.TRANSFORM_FEATURES: transform_features,
        "embed": embed,
        "model_card": model_card,
    }
    signatures = {name: f.get_concrete_function() for name, f in functions.items()}
    tf.saved_model.save(module, path, signatures=signatures)
    _write_extras(Path(path) / "assets.extra", config, card, warmup_texts)


def serving_network(config: PipelineConfig, encoder: Encoder, model: keras.Model) -> keras.Model:
    """Rebuild the trained model in the precision it is served in."""
    dtype = precision.resolve(config.serving.precision)
    backbone = load_backbone(encoder, dtype)
    outputs = model.output["logits"].shape[-1]
    network = build_model(backbone, config.task, outputs, 0.0, config.encoder)
    network.set_weights(model.get_weights())
    return network


def _classification(logits: tf.Tensor, labels: Sequence[str]) -> Outputs:
    scores = tf.nn.softmax(logits)
    return {
        "label": tf.gather(tf.constant(list(labels)), tf.argmax(scores, axis=1)),
        "score": tf.reduce_max(scores, axis=1),
        "scores": scores,
    }


def _anomaly(logits: tf.Tensor, labels: Sequence[str], calibration: Calibration) -> Outputs:
    score = tf.sigmoid(calibration.slope * logits + calibration.offset)
    alert = tf.cast(score >= calibration.threshold, tf.int32)
    return {"label": tf.gather(tf.constant(list(labels)), alert), "score": score}


def tagged(pieces: Pieces, logits: tf.Tensor, labels: Sequence[str]) -> Outputs:
    """Return a tag for each unit: `begin`, `end` int32[n, T] in bytes of the text, `tag`
    string[n, T], `score` float32[n, T], `length` int32[n]; logits are float32[n, pieces, k].
    """
    unit = pieces.unit
    # [CLS] and [SEP] join the unit before them, at offset 0: they never move an end.
    number = tf.cumsum(tf.cast(unit.flat_values, tf.int32))
    end = tf.math.segment_max(pieces.end.flat_values, number)
    end = tf.gather(end, tf.boolean_mask(number, unit.flat_values))
    scores = tf.nn.softmax(tf.RaggedTensor.from_tensor(logits, unit.row_lengths()).flat_values)
    scores = tf.boolean_mask(scores, unit.flat_values)
    lengths = tf.reduce_sum(tf.cast(unit, tf.int32), axis=1)

    def dense(values: tf.Tensor, padding: Any) -> tf.Tensor:
        return tf.RaggedTensor.from_row_lengths(values, lengths).to_tensor(padding)

    begin = tf.boolean_mask(pieces.begin.flat_values, unit.flat_values)
    return {
        "begin": dense(tf.cast(begin, tf.int32), 0),
        "end": dense(tf.cast(end, tf.int32), 0),
        "tag": dense(tf.gather(tf.constant(list(labels)), tf.argmax(scores, axis=1)), ""),
        "score": dense(tf.reduce_max(scores, axis=1), 0.0),
        "length": lengths,
    }


def _write_extras(
    folder: Path, config: PipelineConfig, card: dict[str, Any], warmup_texts: Sequence[str]
) -> None:
    folder.mkdir()
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    (folder / CARD).write_text(text, encoding="utf-8")
    with tf.io.TFRecordWriter(str(folder / WARMUP)) as writer:
        for size in config.serving.warmup_batch_sizes:
            writer.write(_warmup_request(config.name, _repeat(warmup_texts, size)))


def _warmup_request(name: str, texts: Sequence[str]) -> bytes:
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = features.SERVING_DEFAULT
    request.inputs[features.TEXT].CopyFrom(tf.make_tensor_proto(list(texts), tf.string))
    log = prediction_log_pb2.PredictLog(request=request)
    return prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString()


def _repeat(texts: Sequence[str], size: int) -> list[str]:
    return (list(texts) * math.ceil(size / max(len(texts), 1)))[:size]
