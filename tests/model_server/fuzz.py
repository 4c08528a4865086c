"""Sends nonsense to a running server: python fuzz.py GRPC_HOST:PORT REST_HOST:PORT 100000

A request may be refused in any way but must be answered; the server must serve afterwards.
"""

import random
import socket
import sys

import grpc

from serving_client import protos
from serving_client.services import METHODS, PREDICT

SEEDS = [
    b'{"instances": [[1.0], [3.0]]}',
    b'{"signature_name": "both", "inputs": {"a": [1, 2], "b": [1e9, NaN]}}',
    b'{"inputs": {"x": {"b64": "AAAA"}}}',
    b'{"examples": [{"x": [1.5, true, "a"]}], "context": {}}',
]
PATHS = [
    "/v1/models/half:predict",
    "/v1/models/half:classify",
    "/v1/models/half:regress",
    "/v1/models/half/versions/1:predict",
    "/v1/models/half/metadata",
    "/v1/models/%ff%00",
    "/",
]
PIECES = [b"[" * 500, b"{", b"}", b'"', b"\xff\xfe", b"1e999", b"-", b"\\ud800", b"9" * 400, b"\0"]


def mutate(random_: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        at = random_.randint(0, len(out))
        kind = random_.randint(0, 3)
        if kind == 0 and out:
            out[min(at, len(out) - 1)] = random_.randrange(256)
        elif kind == 1:
            out[at:at] = random_.choice(PIECES)
        elif kind == 2:
            del out[at : at + random_.randint(1, 20)]
        else:
            out[at:at] = out[: random_.randint(0, 50)]
    return bytes(out)


def predict_seed() -> bytes:
    request = protos.PredictRequest(model_spec={"name": "half"})
    tensor = request.inputs["x"]
    tensor.dtype = 1
    for size in (2, 1):
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend([1.0, 2.0])
    return request.SerializeToString()


def odd_request(random_: random.Random) -> bytes:
    """A request that parses, with a tensor that may be anything."""
    request = protos.PredictRequest(model_spec={"name": "half"})
    request.model_spec.signature_name = random_.choice(["", "both", "product", "no"])
    for alias in random_.sample(["x", "a", "b", "m", "?"], random_.randint(0, 3)):
        tensor = request.inputs[alias]
        tensor.dtype = random_.randint(0, 30)
        tensor.tensor_shape.unknown_rank = random_.random() < 0.1
        for _ in range(random_.choice([0, 1, 1, 2, 2, 3, 300])):
            tensor.tensor_shape.dim.add(size=random_.choice([-1, 0, 1, 2, 3, 1 << 20, 1 << 62]))
        tensor.float_val.extend([1.0] * random_.randint(0, 3))
        tensor.string_val.extend([b"x" * 1000] * random_.randint(0, 2))
        tensor.tensor_content = bytes(random_.choice([0, 0, 4, 8, 9]))
    return request.SerializeToString()


def fuzz_grpc(address: str, count: int, seed: int) -> dict[str, int]:
    """Codes that came back, and how often."""
    random_ = random.Random(seed)
    codes: dict[str, int] = {}
    # Reload is left out: a lucky mutation may unload everything, as it should.
    names = [name for name in METHODS if name != "HandleReloadConfigRequest"]
    with grpc.insecure_channel(address) as channel:
        for _ in range(count):
            odd = random_.random() < 0.7
            data = odd_request(random_) if odd else mutate(random_, predict_seed())
            method = METHODS[random_.choice(names)] if random_.random() < 0.1 else PREDICT
            try:
                channel.unary_unary(method.path)(data, timeout=20)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
            assert code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"), code
            codes[code] = codes.get(code, 0) + 1
    return codes


def fuzz_rest(address: str, count: int, seed: int) -> dict[str, int]:
    """HTTP statuses that came back, and how often."""
    random_ = random.Random(seed)
    host, _, port = address.rpartition(":")
    codes: dict[str, int] = {}
    for _ in range(count):
        body = mutate(random_, random_.choice(SEEDS))
        verb = random_.choice(["POST"] * 8 + ["GET", "PUT"])
        head = f"{verb} {random_.choice(PATHS)} HTTP/1.1\r\nConnection: close\r\n"
        packed = "Content-Encoding: gzip\r\n" if random_.random() < 0.05 else ""
        sent = f"{head}{packed}Content-Length: {len(body)}\r\n\r\n".encode() + body
        if random_.random() < 0.05:
            sent = mutate(random_, sent)
        with socket.create_connection((host, int(port)), timeout=20) as raw:
            raw.sendall(sent)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(20)
        code = answer[9:12].decode() or "closed"
        codes[code] = codes.get(code, 0) + 1
    return codes


if __name__ == "__main__":
    total = int(sys.argv[3])
    print("gRPC", fuzz_grpc(sys.argv[1], total // 2, seed=1))
    print("REST", fuzz_rest(sys.argv[2], total // 2, seed=2))
