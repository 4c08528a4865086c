"""How a client behaves: frozen values, checked on birth. Every time is in seconds.

Wrong settings raise InputError with one line that names the setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from serving_client.errors import InputError
from serving_client.headers import Headers, checked
from serving_client.hooks import CallHook


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


@dataclass(frozen=True)
class Retry:
    """When and how often a failed call is tried again, always inside its deadline.

    Only errors marked `retryable` are. Waits grow from `initial_backoff_seconds` by `multiplier` to
    `max_backoff_seconds`, each with random jitter between half and all of it. All calls of a client
    share a budget: `budget_per_second` retries plus `budget_ratio` for each call that succeeded,
    saved up to `budget_capacity`; with none left a retry waits for its turn instead of adding to an
    overload.
    """

    max_attempts: int | None = None  # None: until the deadline
    initial_backoff_seconds: float = 0.05
    max_backoff_seconds: float = 1.0
    multiplier: float = 2.0
    attempt_timeout_seconds: float | None = None  # None: an attempt may use all that is left
    budget_per_second: float = 50.0
    budget_ratio: float = 0.2
    budget_capacity: float = 200.0

    def __post_init__(self) -> None:
        attempts = self.max_attempts
        _require(attempts is None or attempts >= 1, "retry.max_attempts must be at least 1")
        _require(
            0 < self.initial_backoff_seconds <= self.max_backoff_seconds,
            "retry.initial_backoff_seconds must be positive and at most max_backoff_seconds",
        )
        _require(self.multiplier >= 1, "retry.multiplier must be at least 1")
        limit = self.attempt_timeout_seconds
        _require(limit is None or limit > 0, "retry.attempt_timeout_seconds must be positive")
        _require(self.budget_per_second > 0, "retry.budget_per_second must be positive")
        _require(self.budget_ratio >= 0, "retry.budget_ratio must not be negative")
        _require(self.budget_capacity >= 1, "retry.budget_capacity must be at least 1")


@dataclass(frozen=True)
class Hedge:
    """A second attempt, on another endpoint where there is one, when the first is slow.

    The first answer wins and the other attempt is cancelled. Costs up to twice the work for the
    slow calls; hedges come out of the retry budget, and none is sent when that is empty.
    """

    after_seconds: float

    def __post_init__(self) -> None:
        _require(self.after_seconds > 0, "hedge.after_seconds must be positive")


@dataclass(frozen=True)
class Ejection:
    """When an endpoint among several is left alone for a while.

    After `failures` retryable failures in a row; for `base_seconds`, doubled each time it happens
    again without a success between, up to `max_seconds`. Then it gets calls again. If all are
    ejected, the one nearest to its return is used.
    """

    failures: int = 3
    base_seconds: float = 1.0
    max_seconds: float = 30.0

    def __post_init__(self) -> None:
        _require(self.failures >= 1, "ejection.failures must be at least 1")
        _require(
            0 < self.base_seconds <= self.max_seconds,
            "ejection.base_seconds must be positive and at most max_seconds",
        )


@dataclass(frozen=True)
class Tls:
    """TLS, and mutual TLS where a client certificate is given. The bytes are PEM text, not paths.

    `root_certificates` None means the system's. `server_name` is checked instead of the address'
    host name. Keys never show in `repr`.
    """

    root_certificates: bytes | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None

    def __post_init__(self) -> None:
        for name, what in (
            ("root_certificates", b"CERTIFICATE-----"),
            ("client_certificate", b"CERTIFICATE-----"),
            ("client_key", b"PRIVATE KEY-----"),
        ):
            pem = getattr(self, name)
            _require(
                pem is None or (isinstance(pem, bytes) and what in pem),
                f"tls.{name} must be the bytes of a PEM file ({what.strip(b'-').decode().lower()})",
            )
        _require(
            (self.client_certificate is None) == (self.client_key is None),
            "tls.client_certificate and tls.client_key go together",
        )


@dataclass(frozen=True)
class ClientConfig:
    """All settings of a client. `addresses` as given, e.g. `("host:8500",)`.

    `keepalive_seconds` is how long a silent connection rests before a ping. Servers count pings
    that come more often than every five minutes as abuse unless told otherwise, hence the default;
    what detects a dead peer sooner is `keepalive_timeout_seconds`, the time that sent bytes may
    stay unacknowledged.
    """

    addresses: tuple[str, ...]
    timeout_seconds: float = 30.0
    retry: Retry = Retry()
    hedge: Hedge | None = None
    ejection: Ejection = Ejection()
    max_in_flight: int = 128
    tls: Tls | None = None
    headers: Headers = field(default_factory=dict, repr=False)
    hooks: tuple[CallHook, ...] = ()
    check: bool = True
    keepalive_seconds: float = 300.0
    keepalive_timeout_seconds: float = 20.0
    dns_refresh_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not callable(self.headers):
            object.__setattr__(self, "headers", checked(self.headers))
        _require(bool(self.addresses), 'no address given; give one such as "localhost:8500"')
        _require(self.timeout_seconds > 0, "timeout must be positive")
        _require(self.max_in_flight >= 1, "max_in_flight must be at least 1")
        _require(self.keepalive_seconds > 0, "keepalive_seconds must be positive")
        _require(self.keepalive_timeout_seconds > 0, "keepalive_timeout_seconds must be positive")
        _require(self.dns_refresh_seconds > 0, "dns_refresh_seconds must be positive")
