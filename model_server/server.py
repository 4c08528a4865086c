"""Puts the parts together: what the flags ask for, in the order in which it starts."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from pathlib import Path

from model_server import start_up
from model_server.configuration import ModelConfig
from model_server.core.lookup import Lookup
from model_server.errors import StartError, StatusError
from model_server.flags import Flags
from model_server.grpc_api import Endpoint, GrpcServer
from model_server.grpc_services import Services
from model_server.loaders import saved_model
from model_server.ports import Reservation
from model_server.runtime import library
from model_server.runtime.options import SessionOptions
from model_server.versions.manager import LoadPolicy, Manager
from model_server.versions.states import Board
from model_server.versions.watcher import Watcher

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
        self._models = _models(flags)
        start_up.check_base_paths(self._models.values(), flags.file_system_poll_wait_seconds)
        self._reservation = None
        if flags.port or flags.choose_free_ports:
            port = 0 if flags.choose_free_ports else flags.port
            self._reservation = Reservation(flags.bind_address, port, "port")

        self._board = Board()
        load = functools.partial(saved_model.load, options=_session_options(flags))
        self._manager = Manager(load, self._board, _load_policy(flags))
        self._watcher = Watcher(self._manager, flags.file_system_poll_wait_seconds)
        self._services = Services(
            lookup=Lookup(self._manager),
            board=self._board,
            check_method=flags.enable_signature_method_name_check,
            as_content=flags.enable_serialization_as_tensor_content,
            health=flags.enable_grpc_healthcheck_service,
        )
        self._grpc: GrpcServer | None = None

    def start(self) -> None:
        """Load the models, then answer.

        Raises:
            StartError: a model cannot be loaded, or a port is taken.
        """
        library.library()
        library.register_op_libraries()
        self._manager.start()
        self._watcher.watch(self._models)
        self._watcher.start()
        start_up.wait_until_decided(self._board, self._models)
        self._manager.started()
        address = None
        if self._reservation is not None:
            address = f"{_host(self._flags.bind_address)}:{self._reservation.port}"
            self._reservation.release()
        endpoint = Endpoint(
            address=address,
            socket_path=self._flags.grpc_socket_path,
            threads=self._flags.grpc_max_threads,
        )
        self._grpc = GrpcServer(endpoint, self._services.handlers())
        self._grpc.start()

    def stop(self) -> None:
        """Accept nothing new, let what runs finish within the grace, and stop."""
        self._watcher.stop()
        self._manager.stop()
        if self._grpc is not None:
            self._grpc.stop(self._flags.shutdown_grace_seconds)


def _models(flags: Flags) -> Mapping[str, ModelConfig]:
    if not flags.model_base_path:
        raise StartError(
            "Both server_options.model_base_path and server_options.model_config_file are empty!",
            "set --model_base_path to the directory that holds the version directories",
        )
    try:
        return start_up.single_model(flags.model_name, flags.model_base_path)
    except StatusError as error:
        raise StartError(
            f"{error.code}: {error.message}", f"use {Path(flags.model_base_path).absolute()}"
        ) from error


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _load_policy(flags: Flags) -> LoadPolicy:
    return LoadPolicy(
        parallel=flags.num_load_threads,
        retries=flags.max_num_load_retries,
        retry_seconds=flags.load_retry_interval_micros / 1e6,
    )


def _session_options(flags: Flags) -> SessionOptions:
    both = flags.tensorflow_session_parallelism
    intra, inter = flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism
    if both > 0 and intra > 0 and inter > 0:
        raise StartError(
            "tensorflow_session_parallelism, tensorflow_intra_op_parallelism and "
            "tensorflow_inter_op_parallelism are all set",
            "set the first alone, or the other two",
        )
    return SessionOptions(
        tags=tuple(flags.saved_model_tags.split(",")),
        intra_op_threads=intra or both,
        inter_op_threads=inter or both,
        gpu_memory_fraction=flags.per_process_gpu_memory_fraction,
    )
