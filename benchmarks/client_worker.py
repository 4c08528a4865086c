"""Measures one client library in its own environment: `client_worker.py NAME ADDRESS WHAT`.

Prints one JSON object. WHAT is `codec`: microseconds to encode and decode each tensor; `calls`:
calls a second with p50 and p99 for 1 and 32 calls in flight; or `first`: what the first answer
costs from nothing. Started by `client.py`; imports nothing but the library.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SECONDS = 1.5
TEXTS = [f"service-{i} ERROR could not reach 10.0.0.{i}:8080 within 3{i} ms" for i in range(32)]


def values() -> dict[str, Any]:
    """What is encoded and decoded."""
    random = np.random.default_rng(1)
    return {
        "string[512]": [f"{t} #{i}" for i in range(16) for t in TEXTS],
        "f32[512,384]": random.standard_normal((512, 384), dtype=np.float32),
        "i64[64,128]": random.integers(0, 30_000, (64, 128)),
        "half[512,384]": random.standard_normal((512, 384), dtype=np.float32).astype(np.float16),
    }


def seconds(work: Callable[[], object]) -> float:
    """The best time of one run out of several rounds."""
    best, rounds = float("inf"), 0
    started = time.perf_counter()
    while rounds < 5 or time.perf_counter() - started < 0.4:
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
        rounds += 1
    return best


class Ours:
    """serving_client."""

    def __init__(self, address: str) -> None:
        from serving_client import Client, protos, tensors

        self.encode = tensors.to_proto
        self.decode = tensors.from_proto
        self.message = protos.TensorProto
        self._client = Client(address)

    def call(self) -> object:
        """One Predict, arrays in and out."""
        return self._client.predict("bench", {"text": TEXTS})["score"]


class Bare:
    """grpcio alone, sending bytes made before and reading none: the floor."""

    def __init__(self, address: str) -> None:
        import grpc

        from serving_client import protos, tensors

        request = protos.PredictRequest(model_spec={"name": "bench"})
        request.inputs["text"].CopyFrom(tensors.to_proto(TEXTS))
        self._payload = request.SerializeToString()
        self._channel = grpc.insecure_channel(address)
        self._predict = self._channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    def call(self) -> object:
        """One Predict."""
        return self._predict(self._payload, timeout=30)


class BareCodec(Bare):
    """The bare call with our encoding before and our decoding behind it, and nothing else."""

    def call(self) -> object:
        """One Predict, arrays in and out."""
        from serving_client import protos, tensors

        request = protos.PredictRequest()
        request.model_spec.name = "bench"
        tensors.fill(request.inputs["text"], TEXTS)
        data = self._predict(request.SerializeToString(), timeout=30)
        outputs = protos.PredictResponse.FromString(data).outputs
        return {name: tensors.from_proto(outputs[name]) for name in outputs}["score"]


class Official:
    """tensorflow-serving-api with TensorFlow's own tensor functions."""

    def __init__(self, address: str) -> None:
        import grpc
        import tensorflow as tf
        from tensorflow.core.framework import tensor_pb2
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        self.encode = tf.make_tensor_proto
        self.decode = tf.make_ndarray
        self.message = tensor_pb2.TensorProto
        self._request = predict_pb2.PredictRequest
        self._channel = grpc.insecure_channel(address)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def call(self) -> object:
        """One Predict, arrays in and out."""
        request = self._request()
        request.model_spec.name = "bench"
        request.inputs["text"].CopyFrom(self.encode(TEXTS))
        answer = self._stub.Predict(request, timeout=30)
        return {name: self.decode(value) for name, value in answer.outputs.items()}["score"]


class MinTfs:
    """min-tfs-client."""

    def __init__(self, address: str) -> None:
        from min_tfs_client.requests import TensorServingClient
        from min_tfs_client.tensors import ndarray_to_tensor_proto, tensor_proto_to_ndarray
        from tensorflow.core.framework.tensor_pb2 import TensorProto

        self.encode = lambda value: ndarray_to_tensor_proto(np.asarray(value))
        self.decode = tensor_proto_to_ndarray
        self.message = TensorProto
        host, _, port = address.rpartition(":")
        self._client = TensorServingClient(host, int(port))

    def call(self) -> object:
        """One Predict, arrays in and out."""
        answer = self._client.predict_request("bench", {"text": np.array(TEXTS)})
        return {name: self.decode(value) for name, value in answer.outputs.items()}["score"]


class Ovms:
    """ovmsclient."""

    def __init__(self, address: str) -> None:
        import ovmsclient
        from ovmsclient.tfs_compat.base.serving_client import ServingClient  # noqa: F401
        from ovmsclient.tfs_compat.grpc import tensors
        from ovmsclient.tfs_compat.protos.tensorflow.core.framework.tensor_pb2 import TensorProto

        self.encode = ovmsclient.make_tensor_proto
        self.decode = tensors.make_ndarray
        self.message = TensorProto
        self._client = ovmsclient.make_grpc_client(address)

    def call(self) -> object:
        """One Predict, arrays in and out."""
        return self._client.predict({"text": TEXTS}, "bench")["score"]


PEERS = {"serving_client": Ours, "bare": Bare, "bare + codec": BareCodec, "official": Official,
         "min-tfs": MinTfs, "ovmsclient": Ovms}  # fmt: skip
TYPED = {"string[512]": "string_val", "f32[512,384]": "float_val", "i64[64,128]": "int64_val",
         "half[512,384]": "half_val"}  # fmt: skip


def codec(peer: Any, typed: dict[str, bytes]) -> dict[str, Any]:
    """Microseconds by tensor; None where the library cannot do it."""
    found: dict[str, Any] = {}
    for name, value in values().items():
        times: dict[str, float | None] = {"encode": None, "decode": None, "decode typed": None}
        found[name] = times
        try:
            times["encode"] = seconds(lambda v=value: peer.encode(v)) * 1e6
            message = peer.encode(value)
            peer.decode(message)
            times["decode"] = seconds(lambda m=message: peer.decode(m)) * 1e6
        except Exception as error:
            found[f"{name} error"] = f"{type(error).__name__}: {str(error)[:100]}"
        try:
            message = peer.message.FromString(typed[name])
            array = np.asarray(peer.decode(message))
            assert array.shape == np.shape(value)  # noqa: S101
            times["decode typed"] = seconds(lambda m=message: peer.decode(m)) * 1e6
        except Exception as error:
            found[f"{name} typed error"] = f"{type(error).__name__}: {str(error)[:100]}"
    return found


def typed_messages() -> dict[str, bytes]:
    """Each tensor in repeated fields, as servers answer: made by numpy alone, for every library."""
    made = {}
    codes = {"string[512]": 7, "f32[512,384]": 1, "i64[64,128]": 9, "half[512,384]": 19}
    fields = {"string[512]": 8, "f32[512,384]": 5, "i64[64,128]": 10, "half[512,384]": 13}

    def varint(number: int) -> bytes:
        out = bytearray()
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes([*out, number])

    def field(number: int, payload: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(payload)) + payload

    for name, value in values().items():
        head = varint(1 << 3) + varint(codes[name])
        dims = b"".join(field(2, varint(1 << 3) + varint(size)) for size in np.shape(value))
        head += field(2, dims)
        if name.startswith("string"):
            body = b"".join(field(fields[name], text.encode()) for text in value)
        elif name.startswith("f32"):
            body = field(fields[name], value.tobytes())
        else:
            numbers = value.view(np.uint16) if value.dtype == np.float16 else value
            body = field(fields[name], b"".join(map(varint, numbers.ravel().tolist())))
        made[name] = head + body
    return made


def load(call: Callable[[], object], in_flight: int) -> dict[str, float]:
    """Calls a second, p50 and p99 in milliseconds, microseconds of processor time a call."""
    latencies: list[float] = []
    end = time.perf_counter() + SECONDS

    def work() -> None:
        mine = []
        while (begin := time.perf_counter()) < end:
            call()
            mine.append(time.perf_counter() - begin)
        latencies.extend(mine)

    call()
    started, used = time.perf_counter(), time.process_time()
    threads = [threading.Thread(target=work) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, used = time.perf_counter() - started, time.process_time() - used
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    calls = len(latencies)
    return {"calls/s": calls / took, "p50": p50, "p99": p99, "cpu us": used / calls * 1e6}


def main() -> None:
    """Measure one library."""
    _, name, address, what = sys.argv
    peer = PEERS[name](address)
    found: dict[str, Any] = {}
    if what == "first":
        peer.call()
        used = resource.getrusage(resource.RUSAGE_SELF)
        found = {"seconds": used.ru_utime + used.ru_stime, "MB": used.ru_maxrss / 1024}
    elif what == "codec":
        found = codec(peer, typed_messages())
    else:
        for _ in range(100):
            peer.call()
        found = {str(n): load(peer.call, n) for n in (1, 32)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
