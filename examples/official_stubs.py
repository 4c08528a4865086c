"""The same question with TensorFlow Serving's own Python stubs, which bring TensorFlow.

python examples/official_stubs.py 127.0.0.1:8500 events "checkout ERROR no space"
"""

import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

address, model, *texts = sys.argv[1:]
request = predict_pb2.PredictRequest()
request.model_spec.name = model
request.inputs["text"].CopyFrom(tf.make_tensor_proto(texts))
with grpc.insecure_channel(address) as channel:
    grpc.channel_ready_future(channel).result(timeout=60)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    answer = stub.Predict(request, timeout=30)
labels, scores = (tf.make_ndarray(answer.outputs[name]) for name in ("label", "score"))
version = answer.model_spec.version.value
for text, label, score in zip(texts, labels, scores, strict=True):
    print(f"{score:.3f} {label.decode()} (version {version}): {text}")
