"""The SavedModel, in the form TF Serving loads: plain signatures, every variable tracked.

TF Serving restores a SavedModel in a session. A Keras 3 model as an attribute of the exported
module would leave its variables uninitialised there; so the model stays in a closure and the
module tracks its raw variables.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from tfx_pipeline import features, precision
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.model import answers, explanation
from tfx_pipeline.model.answers import Outputs
from tfx_pipeline.model.calibration import Calibration
from tfx_pipeline.model.encoder import Encoder, load_backbone, load_vocabulary
from tfx_pipeline.model.graph import compiled
from tfx_pipeline.model.heads import build_model
from tfx_pipeline.model.novelty import novelty
from tfx_pipeline.preprocessing import Tokenizer, encoder_inputs

CARD = "model_card.json"
WARMUP = "tf_serving_warmup_requests"


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
    # The signatures call one function: the encoder is traced and stored once.
    forward = compiled(network)
    tokenizer = Tokenizer.of(config)
    module = tf.Module()
    module.weights = [variable.value for variable in network.variables]
    module.references = tf.Variable(references, trainable=False, name="references")
    module.transform_layer = transform.transform_features_layer()

    def answer(text: tf.Tensor) -> Outputs:
        if config.task == "token":
            pieces = tokenizer.with_offsets(text)
            outputs = forward(encoder_inputs(pieces.ids))
            return answers.tagged(pieces, outputs["logits"], labels)
        outputs = forward(encoder_inputs(tokenizer(text)))
        if config.task == "classification":
            return answers.classified(outputs["logits"], labels)
        if config.task == "regression":
            return {"value": outputs["logits"][:, 0]}
        embedding = tf.math.l2_normalize(outputs["pooled"], axis=1)
        return answers.anomalous(outputs["logits"], labels, calibration) | {
            "novelty": novelty(embedding, module.references)
        }

    @_signature("text")
    def serving_default(text: tf.Tensor) -> Outputs:
        return answer(text)

    def answer_examples(examples: tf.Tensor) -> Outputs:
        spec = {features.TEXT: tf.io.FixedLenFeature([], tf.string)}
        return serving_default(tf.io.parse_example(examples, spec)[features.TEXT])

    @_signature("examples")
    def serving_examples(examples: tf.Tensor) -> Outputs:
        return answer_examples(examples)

    @_signature("inputs")
    def classify(inputs: tf.Tensor) -> Outputs:
        return answers.all_classes(answer_examples(inputs), labels)

    @_signature("inputs")
    def regress(inputs: tf.Tensor) -> Outputs:
        return {"outputs": answer_examples(inputs)["value"]}

    raw_spec = transform.raw_feature_spec()

    @_signature("examples")
    def transform_features(examples: tf.Tensor) -> Outputs:
        transformed = module.transform_layer(tf.io.parse_example(examples, raw_spec))
        # A sparse output has no single tensor that TF Serving could fetch.
        return {
            name: tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
            for name, value in transformed.items()
        }

    @_signature("text")
    def embed(text: tf.Tensor) -> Outputs:
        outputs = forward(encoder_inputs(tokenizer(text)))
        return {"embedding": tf.math.l2_normalize(outputs["pooled"], axis=1)}

    @_signature("text")
    def explain(text: tf.Tensor) -> Outputs:
        return explanation.explain(network, config.task, tokenizer.with_offsets(text))

    @_signature()
    def model_card() -> Outputs:
        return {"card": tf.constant([json.dumps(card)])}

    functions: dict[str, Callable[..., Outputs]] = {
        features.SERVING_DEFAULT: serving_default,
        features.SERVING_EXAMPLES: serving_examples,
        features.TRANSFORM_FEATURES: transform_features,
        "embed": embed,
        "explain": explain,
        "model_card": model_card,
    }
    if config.task in ("anomaly", "classification"):
        functions["classify"] = classify
    if config.task == "regression":
        functions["regress"] = regress
    signatures = {name: f.get_concrete_function() for name, f in functions.items()}
    tf.saved_model.save(module, path, signatures=signatures)
    _name_methods(path, functions)
    _write_extras(Path(path) / "assets.extra", config, card, warmup_texts)


def _signature(*inputs: str) -> Callable[[Callable[..., Outputs]], Any]:
    """Make a graph function whose inputs are string[n] of these names.

    AutoGraph is off: nothing here branches on a tensor in Python, and rewriting the source of each
    function that is called takes as long as all the rest of an export.
    """
    specs = [tf.TensorSpec([None], tf.string, name=name) for name in inputs]
    return tf.function(input_signature=specs, autograph=False)


def serving_network(config: PipelineConfig, encoder: Encoder, model: keras.Model) -> keras.Model:
    """Rebuild the trained model in the precision it is served in."""
    dtype = precision.resolve(config.serving.precision)
    backbone = load_backbone(encoder, dtype, config.encoder.word_shapes)
    outputs = model.output["logits"].shape[-1]
    wide = load_vocabulary(encoder)[0] if config.training.wide else ()
    network = build_model(backbone, config.task, outputs, 0.0, config.encoder, wide)
    network.set_weights(model.get_weights())
    return network


def _name_methods(path: str, signatures: Container[str]) -> None:
    """Name the methods of `classify` and `regress`, which TensorFlow saves as `predict`.

    Servers answer the Classify and Regress RPCs by signatures of these methods alone.
    """
    names = {
        "classify": tf.compat.v1.saved_model.CLASSIFY_METHOD_NAME,
        "regress": tf.compat.v1.saved_model.REGRESS_METHOD_NAME,
    }
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(path)
    for signature, method in names.items():
        if signature in signatures:
            updater.replace_method_name(signature_key=signature, method_name=method)
    updater.save()


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
