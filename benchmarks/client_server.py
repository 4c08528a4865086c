"""The server that the client benchmarks call: the same few bytes for every Predict, at once.

Run as `python client_server.py PORT` (0 for a free one); prints the port when it listens. It does
no work of its own, so that the time measured is the client's.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np

from serving_client import protos, tensors
from serving_client.services import GET_MODEL_METADATA, GET_MODEL_STATUS, PREDICT
from serving_client.testing.specs import tensor_info

ROWS = 32


def answers(rows: int = ROWS) -> dict[str, bytes]:
    """The answer to each path: a text model with a label and a score for each row."""
    predict = protos.PredictResponse()
    predict.model_spec.name = "bench"
    predict.model_spec.version.value = 1
    predict.model_spec.signature_name = "serving_default"
    scores = np.linspace(0, 1, rows, dtype=np.float32)
    predict.outputs["score"].CopyFrom(tensors.to_proto(scores, typed=True))
    predict.outputs["label"].CopyFrom(tensors.to_proto(["normal"] * rows))
    signatures = protos.SignatureDefMap()
    signature = signatures.signature_def["serving_default"]
    signature.inputs["text"].CopyFrom(tensor_info("text", "string[?]"))
    metadata = protos.GetModelMetadataResponse(model_spec=predict.model_spec)
    metadata.metadata["signature_def"].Pack(signatures)
    status = protos.GetModelStatusResponse()
    status.model_version_status.add(version=1, state=protos.ModelVersionState.Value("AVAILABLE"))
    return {
        PREDICT.path: predict.SerializeToString(),
        GET_MODEL_METADATA.path: metadata.SerializeToString(),
        GET_MODEL_STATUS.path: status.SerializeToString(),
    }


class Handler(grpc.GenericRpcHandler):
    """Answers without reading the request."""

    def __init__(self) -> None:
        self._handlers = {
            path: grpc.unary_unary_rpc_method_handler(lambda _, __, data=data: data)
            for path, data in answers().items()
        }

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a path."""
        return self._handlers.get(details.method)


def main() -> None:
    """Serve until killed."""
    server = grpc.server(
        ThreadPoolExecutor(16), handlers=[Handler()], options=[("grpc.so_reuseport", 0)]
    )
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
