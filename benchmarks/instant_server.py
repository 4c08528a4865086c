"""A server that answers at once: a label and a score for each text, without looking at it.

Run as a program it prints its address and serves until killed: what is measured against it is its
caller's own cost.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from client_server import answers

from serving_client import protos
from serving_client.services import PREDICT


class Handler(grpc.GenericRpcHandler):
    """As many rows as the request has texts; no model card."""

    def __init__(self) -> None:
        self._bytes: dict[int, bytes] = {}
        self._others = answers(1)

    def _predict(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = protos.PredictRequest.FromString(request)
        if "text" not in asked.inputs:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no such signature")
        rows = asked.inputs["text"].tensor_shape.dim[0].size
        if rows not in self._bytes:
            self._bytes[rows] = answers(rows)[PREDICT.path]
        return self._bytes[rows]

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a path."""
        if details.method == PREDICT.path:
            return grpc.unary_unary_rpc_method_handler(self._predict)
        answer = self._others.get(details.method)
        return answer and grpc.unary_unary_rpc_method_handler(lambda _, __: answer)


def main() -> None:
    """Serve until killed."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[Handler()])
    print(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", flush=True)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
