"""Where and how gRPC listens, from the flags and the files they name."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import grpc

from model_server.config_files import read_text_proto
from model_server.errors import StartError
from model_server.flags import Flags
from model_server.grpc_api import Endpoint
from serving_client import protos


def read_endpoint(flags: Flags) -> Endpoint:
    """The endpoint without its TCP port.

    Raises:
        StartError: the SSL file or the channel arguments cannot be used.
    """
    return Endpoint(
        host=f"[{flags.bind_address}]" if ":" in flags.bind_address else flags.bind_address,
        port=None,
        socket_path=flags.grpc_socket_path,
        threads=flags.grpc_max_threads,
        arguments=_channel_arguments(flags.grpc_channel_arguments),
        credentials=_credentials(flags.ssl_config_file),
    )


def _credentials(path: str) -> grpc.ServerCredentials | None:
    if not path:
        return None
    config = read_text_proto(path, protos.SSLConfig())
    if not config.server_key or not config.server_cert:
        raise StartError(
            f"{path} names no server_key and server_cert",
            "both hold PEM text itself, not a path",
        )
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=_trusted(config) if config.client_verify else None,
        require_client_auth=config.client_verify,
    )


def _trusted(config: Any) -> bytes:
    if config.custom_ca:
        return config.custom_ca.encode()

    system = ssl.get_default_verify_paths().cafile
    if system is None:
        raise StartError(
            "client_verify is set without custom_ca, and the system has no root certificates",
            "put the PEM text of the authority into custom_ca",
        )
    return Path(system).read_bytes()


def _channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    pairs: list[tuple[str, int | str]] = []
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise StartError(
                f"--grpc_channel_arguments: no value in {item}", "write key=value,key=value"
            )
        try:
            number = int(value)
        except ValueError:
            pairs.append((key, value))
        else:
            pairs.append((key, number if -(2**31) <= number < 2**31 else value))
    return tuple(pairs)
