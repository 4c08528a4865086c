"""The settings that `Client` and `AsyncClient` take, once."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Generic, TypeVar

from serving_client import addresses
from serving_client.config import ClientConfig, Ejection, Hedge, Retry, Tls
from serving_client.headers import Headers
from serving_client.hooks import CallHook
from serving_client.operations import Operations
from serving_client.transport import Transport

T = TypeVar("T", bound=Transport)


class BaseClient(abc.ABC, Generic[T]):
    """A configuration, the transport it asks for, and the operations over it."""

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        timeout: float = 30.0,
        retry: Retry = Retry(),  # noqa: B008 - frozen
        hedge: Hedge | None = None,
        ejection: Ejection = Ejection(),  # noqa: B008 - frozen
        max_in_flight: int = 128,
        tls: Tls | None = None,
        headers: Headers | None = None,
        hooks: Sequence[CallHook] = (),
        check: bool = True,
        keepalive_seconds: float = 300.0,
        keepalive_timeout_seconds: float = 20.0,
    ) -> None:
        self._config = ClientConfig(
            addresses=addresses.parse(address),
            timeout_seconds=timeout,
            retry=retry,
            hedge=hedge,
            ejection=ejection,
            max_in_flight=max_in_flight,
            tls=tls,
            headers={} if headers is None else headers,
            hooks=tuple(hooks),
            check=check,
            keepalive_seconds=keepalive_seconds,
            keepalive_timeout_seconds=keepalive_timeout_seconds,
        )
        self._transport = self._open(self._config)
        self._operations = Operations(self._config, self._transport)

    @abc.abstractmethod
    def _open(self, config: ClientConfig) -> T:
        """The transport for the addresses of `config`. Connects to nothing yet."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._config.addresses)!r})"
