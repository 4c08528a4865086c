"""One RPC as a value: its request, how its answer is read, and what hooks want to know. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Generic, TypeVar

from serving_client.errors import InputError
from serving_client.headers import checked
from serving_client.metadata import Signature
from serving_client.services import Method

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """Which model, version or label, and signature a call is for; at most one of the middle two."""

    model: str
    version: int | None = None
    label: str | None = None
    signature: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InputError("the model's name must be a non-empty text")
        if self.version is not None and self.label is not None:
            raise InputError("give a version or a label, not both")
        if self.version is not None and (
            not isinstance(self.version, Integral) or not 0 <= self.version < 2**63
        ):
            raise InputError(f"a version is a number from 0, not {self.version!r}")

    def fill(self, spec: Any, *, with_signature: bool = True) -> None:
        """Write a request's ModelSpec message."""
        spec.name = self.model
        if self.version is not None:
            spec.version.value = self.version
        elif self.label is not None:
            spec.version_label = self.label
        if with_signature and self.signature:
            spec.signature_name = self.signature


class Call(Generic[T]):
    """A request ready to be sent, any number of times, over any transport.

    `headers` are the call's own, checked; `known` is what the model says of the signature, which
    REST cannot do without.
    """

    __slots__ = ("_payload", "decode", "headers", "known", "method", "request", "target")

    def __init__(
        self,
        method: Method,
        request: Any,
        decode: Callable[[Any], T],
        target: Target | None = None,
        headers: Mapping[str, str] | None = None,
        known: Signature | None = None,
    ) -> None:
        self.method = method
        self.request = request
        self.decode = decode
        self.target = target
        self.headers = checked(headers) if headers else None
        self.known = known
        self._payload: bytes | None = None

    @property
    def payload(self) -> bytes:
        """The serialised request; made once, however many attempts there are."""
        if self._payload is None:
            self._payload = self.request.SerializeToString()
        return self._payload

    @property
    def model(self) -> str:
        """The model's name, empty for calls about the server as a whole."""
        return self.target.model if self.target else ""

    @property
    def version(self) -> int | None:
        """The version asked for."""
        return self.target.version if self.target else None

    @property
    def signature(self) -> str:
        """The signature asked for, empty for the default one."""
        return (self.target.signature or "") if self.target else ""
