"""Finds out at once, before minutes of loading, whether a TCP port can be had."""

from __future__ import annotations

import socket

from model_server.errors import StartError


class Reservation:
    """A port held without listening: nobody else gets it, and callers are still refused.

    `release` it just before the real server binds. Port 0 takes any free one; `port` names it.

    Raises:
        StartError: the address cannot be had.
    """

    def __init__(self, host: str, port: int, flag: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        # As gRPC binds: connections of an earlier server that linger do not hold the port.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            # SO_REUSEADDR lets two sockets bind as long as neither listens.
            probe = self._socket.dup()
            probe.listen(1)
        except (OSError, OverflowError) as error:
            self._socket.close()
            raise StartError(
                f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
                f"stop what is listening there, or choose another with --{flag} or --bind_address",
            ) from error
        probe.close()
        self.port: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Let the server have it."""
        self._socket.close()
