"""Puts the parts together: what the flags ask for, in the order in which it starts."""

from __future__ import annotations

import logging
import threading
import time

from model_server import start_up
from model_server.batching_flags import read_batching
from model_server.config_files import read_server_config, read_text_proto
from model_server.configuration import ServerConfig
from model_server.core.calls import Calls
from model_server.core.lookup import Lookup
from model_server.errors import ServerError, StartError, StatusError
from model_server.flags import Flags
from model_server.grpc_api import GrpcServer
from model_server.grpc_endpoint import read_endpoint
from model_server.grpc_services import handlers
from model_server.health import Health
from model_server.loader_flags import read_loader
from model_server.loaders.finishing import Finishing
from model_server.metrics import Metrics
from model_server.ports import Reservation
from model_server.profiler_service import Profiler
from model_server.rest.api import RestApi
from model_server.rest.http import HttpServer, listen
from model_server.runtime import library
from model_server.versions.configurator import Configurator
from model_server.versions.manager import LoadPolicy, Manager
from model_server.versions.states import Board
from model_server.versions.watcher import Watcher
from model_server.warmup import WarmUp
from serving_client import protos

log = logging.getLogger(__name__)


class ModelServer:
    """The running server: `start` returns when it answers, `stop` when it has drained."""

    def __init__(self, flags: Flags) -> None:
        """Check everything that can be checked before a model is loaded.

        Raises:
            StartError: the flags do not fit together, or a port or path cannot be had.
        """
        self._flags = flags
        if flags.port == 0 and not flags.grpc_socket_path and not flags.choose_free_ports:
            raise StartError(
                "At least one of server_options.grpc_port or server_options.grpc_socket_path "
                "must be set.",
                "set --port, or --grpc_socket_path",
            )
        self._config = _read_config(flags)
        start_up.check_base_paths(self._config.models.values(), flags.file_system_poll_wait_seconds)
        self._endpoint = read_endpoint(flags)
        self._reservation = None
        if flags.port or flags.choose_free_ports:
            port = 0 if flags.choose_free_ports else flags.port
            self._reservation = Reservation(flags.bind_address, port, "port")

        metrics = Metrics()
        board = Board()
        warm_up = WarmUp(
            metrics, flags.enable_model_warmup, flags.num_request_iterations_for_warmup
        )
        loader = read_loader(flags, Finishing(warm_up, metrics, read_batching(flags)))
        self._manager = Manager(loader, board, _load_policy(flags))
        self._watcher = Watcher(self._manager, flags.file_system_poll_wait_seconds)
        lookup = Lookup(self._manager)
        self._configurator = Configurator(
            lookup,
            self._manager,
            board,
            self._watcher,
            flags.allow_version_labels_for_unavailable_models,
        )
        self._calls = Calls(
            lookup=lookup,
            board=board,
            configurator=self._configurator,
            metrics=metrics,
            check_method=flags.enable_signature_method_name_check,
            as_content=flags.enable_serialization_as_tensor_content,
        )
        self._listener = None
        if flags.rest_api_port or flags.choose_free_ports:
            self._listener = _rest_reservation(flags)
        self._extras: list[Health | Profiler] = []
        if flags.enable_grpc_healthcheck_service:
            self._extras.append(Health(board))
        if flags.enable_profiler:
            self._extras.append(Profiler())
        self._metrics_path = _metrics_path(flags)
        self._rest: HttpServer | None = None
        self._grpc: GrpcServer | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Load the models, then answer.

        Raises:
            StartError: a model cannot be loaded, or a port is taken.
        """
        library.library()
        flags = self._flags
        if not (flags.xla_cpu_compilation_enabled or flags.xla_gpu_compilation_enabled):
            library.forbid_xla()
        library.register_op_libraries()
        self._manager.start()
        self._watcher.start()
        try:
            self._configurator.apply(self._config)
        except StatusError as error:
            self.stop()  # and the manager has logged why each version failed
            raise StartError(
                f"{error.code}: {error.message}",
                "export the model again, remove the version that cannot be loaded, or correct "
                "the labels (--allow_version_labels_for_unavailable_models lets them come first)",
            ) from error
        self._manager.started()
        port = None
        if self._reservation is not None:
            port = self._reservation.port
            self._reservation.release()
        methods = handlers(self._calls)
        for extra in self._extras:
            methods += extra.handlers()
        self._grpc = GrpcServer(self._endpoint.on_port(port), methods)
        self._grpc.start()
        self._start_rest()
        if self._flags.model_config_file and self._flags.model_config_file_poll_wait_seconds > 0:
            threading.Thread(target=self._reread_config, name="config file", daemon=True).start()

    def _start_rest(self) -> None:
        if self._listener is None:
            return
        flags, port = self._flags, self._listener.port
        self._listener.release()
        api = RestApi(
            calls=self._calls,
            timeout_ms=flags.rest_api_timeout_in_ms if flags.rest_api_timeout_in_ms > 0 else None,
            cors=flags.rest_api_enable_cors_support,
            metrics_path=self._metrics_path,
        )
        listener = listen(flags.bind_address, port)
        self._rest = HttpServer(listener, flags.rest_api_num_threads, api)
        self._rest.start()
        log.info("Exporting HTTP/REST API at:%s:%s ...", self._endpoint.host, port)

    def stop(self) -> None:
        """Accept nothing new, let what runs finish within the grace, and stop."""
        self._stopping.set()
        self._watcher.stop()
        self._manager.stop()
        for extra in self._extras:
            extra.stop()
        deadline = time.monotonic() + self._flags.shutdown_grace_seconds
        if self._grpc is not None:
            self._grpc.stop(self._flags.shutdown_grace_seconds)
        if self._rest is not None:
            self._rest.stop(max(deadline - time.monotonic(), 0))

    def _reread_config(self) -> None:
        seconds = self._flags.model_config_file_poll_wait_seconds
        said = ""
        while not self._stopping.wait(seconds):
            try:
                self._configurator.apply(_read_config(self._flags))
                said = ""
            except ServerError as error:
                if str(error) != said:
                    log.error("%s is not applied: %s", self._flags.model_config_file, error)
                said = str(error)


def _read_config(flags: Flags) -> ServerConfig:
    if not flags.model_base_path and not flags.model_config_file:
        raise StartError(
            "Both server_options.model_base_path and server_options.model_config_file are empty!",
            "set --model_base_path to the directory that holds the version directories",
        )
    try:
        if flags.model_config_file:
            message = read_text_proto(flags.model_config_file, protos.ModelServerConfig())
            return read_server_config(message)
        return start_up.single_model(flags.model_name, flags.model_base_path)
    except StatusError as error:
        raise StartError(
            f"{error.code}: {error.message}", "use absolute paths; see docs/serving.md"
        ) from error


def _rest_reservation(flags: Flags) -> Reservation:
    if flags.rest_api_port and flags.rest_api_port == flags.port:
        raise StartError(
            f"--rest_api_port and --port are both {flags.port}", "give them different ports"
        )
    port = 0 if flags.choose_free_ports else flags.rest_api_port
    return Reservation(flags.bind_address, port, "rest_api_port")


def _metrics_path(flags: Flags) -> str:
    if not flags.monitoring_config_file:
        return ""
    message = read_text_proto(flags.monitoring_config_file, protos.MonitoringConfig())
    prometheus = message.prometheus_config
    return (prometheus.path or "/monitoring/prometheus/metrics") if prometheus.enable else ""


def _load_policy(flags: Flags) -> LoadPolicy:
    return LoadPolicy(
        parallel=flags.num_load_threads,
        retries=flags.max_num_load_retries,
        retry_seconds=flags.load_retry_interval_micros / 1e6,
    )
