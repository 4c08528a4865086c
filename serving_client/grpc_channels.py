"""How channels are opened, and how gRPC's errors become ours: the same for grpc and grpc.aio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from serving_client import addresses
from serving_client.config import ClientConfig, Tls
from serving_client.errors import ServingError, from_code

# A connection that broke is tried again soon, however long the server was away: gRPC's own default
# grows to two minutes, longer than any caller waits.
_RECONNECT_MS = 100
_LONGEST_RECONNECT_MS = 300
_CONNECT_TIMEOUT_MS = 5000


def options(config: ClientConfig, address: str) -> list[tuple[str, Any]]:
    """Channel arguments for one address."""
    chosen: list[tuple[str, Any]] = [
        # TF Serving takes up to 2 GiB; gRPC's own default limit is 4 MB.
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_TIMEOUT_MS),
        ("grpc.keepalive_time_ms", int(config.keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", int(config.keepalive_timeout_seconds * 1000)),
        # Clients in one process must not share connections, nor each other's backoff.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_retries", 0),
    ]
    if addresses.is_local(address):
        chosen.append(("grpc.enable_http_proxy", 0))
    name = config.tls and (config.tls.server_name or addresses.server_name(config.addresses))
    if name:
        chosen.append(("grpc.ssl_target_name_override", name))
    return chosen


def credentials(tls: Tls) -> grpc.ChannelCredentials:
    """TLS settings as gRPC wants them."""
    return grpc.ssl_channel_credentials(
        tls.root_certificates, tls.client_key, tls.client_certificate
    )


def metadata(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...] | None:
    """Headers as gRPC metadata."""
    return tuple(headers.items()) if headers else None


def translate(error: Any) -> ServingError:
    """The ServingError for a grpc.RpcError that came back from a call."""
    status = error.code()
    code = status.name if status is not None else "UNKNOWN"
    details = error.details() or ""
    return from_code(code, details or "no details given", retryable=_retryable(code, details))


def _retryable(code: str, details: str) -> bool | None:
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return False  # a message over the peer's size limit stays too large
    if code == "CANCELLED":
        return True  # not by us, or nobody would be reading this: the server is going away
    if code in ("UNKNOWN", "INTERNAL") and ("Stream removed" in details or "RST_STREAM" in details):
        return True  # how some gRPC versions word a connection that broke
    return None
