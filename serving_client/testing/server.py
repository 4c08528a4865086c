"""A real gRPC server in this process whose models are Python functions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc

from serving_client.errors import ServingError
from serving_client.results import DEFAULT_SIGNATURE
from serving_client.services import METHODS, Method
from serving_client.testing.answers import Answers
from serving_client.testing.faults import Faults, ReceivedCall
from serving_client.testing.models import ModelFunction, ModelStore
from serving_client.testing.rest import RestServer

_TEXT_IN = {"text": "string[?]"}


class FakeServer:
    """Speaks the TF Serving API over gRPC on a free port of the loopback interface.

    `address` is where, `rest_address` too with `rest=True`; both stay the same across `stop()` and
    `start()`. `credentials` are gRPC server credentials for TLS. Not for production: no batching,
    no files, one process.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        rest: bool = False,
        credentials: grpc.ServerCredentials | None = None,
        max_workers: int = 64,
    ) -> None:
        self.store = ModelStore()
        self.calls: list[ReceivedCall] = []
        self._faults = Faults()
        self._answers = Answers(self.store)
        self._credentials = credentials
        self._max_workers = max_workers
        self._port = port
        self._server: grpc.Server | None = None
        self._wants_rest = rest
        self._rest_port = 0
        self._rest: RestServer | None = None
        self._lock = threading.Lock()

    # --- life ---

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`, known once started."""
        return f"127.0.0.1:{self._port}"

    @property
    def rest_address(self) -> str:
        """`http://127.0.0.1:PORT`, for a server made with `rest=True`."""
        return f"http://127.0.0.1:{self._rest_port}"

    def start(self) -> FakeServer:
        """Listen. Models, labels and recorded calls are those of before."""
        self._faults.stopping.clear()
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
        server = grpc.server(ThreadPoolExecutor(self._max_workers), options=options)
        server.add_generic_rpc_handlers(tuple(self._handlers()))
        where = f"127.0.0.1:{self._port}"
        if self._credentials is None:
            self._port = server.add_insecure_port(where)
        else:
            self._port = server.add_secure_port(where, self._credentials)
        server.start()
        self._server = server
        if self._wants_rest:
            self._rest = RestServer(self._rest_port, self._answer)
            self._rest_port = self._rest.port
        return self

    def stop(self, grace: float | None = None) -> None:
        """Stop listening; calls under way get `grace` seconds, none by default."""
        server, self._server = self._server, None
        if grace is None:
            self._faults.stopping.set()
        rest, self._rest = self._rest, None
        if rest is not None:
            rest.stop()
        if server is not None:
            server.stop(grace).wait()

    def restart(self) -> None:
        """Stop at once and start again at the same address."""
        self.stop()
        self.start()

    def __enter__(self) -> FakeServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # --- models ---

    def add(
        self,
        model: str,
        function: ModelFunction,
        *,
        version: int = 1,
        signature: str = DEFAULT_SIGNATURE,
        inputs: Mapping[str, str] = _TEXT_IN,
        outputs: Mapping[str, str] | None = None,
        method: str = "predict",
    ) -> None:
        """Serve `function` as a signature of a version of `model`.

        It gets a dict of numpy arrays by input name and returns a dict of array-likes by output
        name. `inputs` and `outputs` say what the model's metadata tells, e.g.
        `{"x": "float[?,3]"}`. For Classify and Regress the only input is `inputs`, serialised
        tf.Examples (`serving_client.examples.from_example` reads them), and the outputs are
        `classes` and `scores` of shape [n, classes], or `outputs` of shape [n].
        """
        self.store.add(model, function, version, signature, inputs, outputs or {}, method)

    def set_state(
        self,
        model: str,
        version: int,
        state: str,
        *,
        error_code: str = "OK",
        error_message: str = "",
    ) -> None:
        """Let a version be START, LOADING, AVAILABLE, UNLOADING or END; with an error, failed."""
        self.store.set_state(model, version, state, error_code, error_message)

    def set_label(self, model: str, label: str, version: int) -> None:
        """Point a version label at a version."""
        self.store.set_label(model, label, version)

    # --- faults ---

    def delay(
        self,
        seconds: float,
        *,
        model: str | None = None,
        method: str | None = None,
        times: int | None = None,
    ) -> None:
        """Let the next `times` calls (all by default) wait before they are answered."""
        self._faults.add(model, method, seconds, None, "", times)

    def fail(
        self,
        code: str = "UNAVAILABLE",
        *,
        message: str = "told to fail",
        model: str | None = None,
        method: str | None = None,
        times: int | None = None,
    ) -> None:
        """Let the next `times` calls (all by default) fail with a canonical gRPC code."""
        self._faults.add(model, method, 0.0, code, message, times)

    def heal(self) -> None:
        """Forget all delays and failures."""
        self._faults.clear()

    # --- gRPC ---

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        services: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        for method in METHODS.values():
            services.setdefault(method.service, {})[method.name] = (
                grpc.unary_unary_rpc_method_handler(
                    self._handler(method),
                    request_deserializer=method.request.FromString,
                    response_serializer=method.response.SerializeToString,
                )
            )
        return [
            grpc.method_handlers_generic_handler(service, handlers)
            for service, handlers in services.items()
        ]

    def _handler(self, method: Method) -> Callable[[Any, Any], Any]:
        def handle(request: Any, context: Any) -> Any:
            headers = dict(context.invocation_metadata() or ())
            try:
                return self._answer(method.name, request, headers)
            except ServingError as error:
                context.abort(grpc.StatusCode[error.code], error.message)
            except Exception as error:  # a model function that raises is a model that fails
                context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")

        return handle

    def _answer(self, method: str, request: Any, headers: dict[str, str]) -> Any:
        model = _model_of(request)
        with self._lock:
            self.calls.append(ReceivedCall(method, model, request, headers))
        self._faults.apply(method, model)
        return getattr(self._answers, method)(request)


def _model_of(request: Any) -> str:
    tasks = getattr(request, "tasks", None)
    spec = tasks[0].model_spec if tasks else getattr(request, "model_spec", None)
    return spec.name if spec is not None else ""
