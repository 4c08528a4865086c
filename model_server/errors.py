"""Everything the server can say no with.

ServerError
├── UsageError                a flag's value does not parse, or help is asked for
├── StartError                the server cannot start: one line and its remedy
└── StatusError               an answer of the API: a canonical code and a message
    ├── CancelledError          CANCELLED
    ├── UnknownError            UNKNOWN
    ├── InvalidArgumentError    INVALID_ARGUMENT
    ├── DeadlineExceededError   DEADLINE_EXCEEDED
    ├── NotFoundError           NOT_FOUND
    ├── AlreadyExistsError      ALREADY_EXISTS
    ├── PermissionDeniedError   PERMISSION_DENIED
    ├── UnauthenticatedError    UNAUTHENTICATED
    ├── ResourceExhaustedError  RESOURCE_EXHAUSTED
    ├── FailedPreconditionError FAILED_PRECONDITION
    ├── AbortedError            ABORTED
    ├── OutOfRangeError         OUT_OF_RANGE
    ├── UnimplementedError      UNIMPLEMENTED
    ├── InternalError           INTERNAL
    ├── UnavailableError        UNAVAILABLE
    └── DataLossError           DATA_LOSS

Each leaf carries its gRPC number, its name and its HTTP status; the protocols only read them.
"""

from __future__ import annotations

from typing import ClassVar


class ServerError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(ServerError):
    """A flag's value does not parse, or help is asked for: the usage is printed."""


class StartError(ServerError):
    """The server cannot start. `str()` is one line; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class StatusError(ServerError):
    """An answer of the API that is not OK."""

    number: ClassVar[int]
    code: ClassVar[str]
    http_status: ClassVar[int]

    @property
    def message(self) -> str:
        """The text a client sees."""
        return str(self.args[0]) if self.args else ""


class CancelledError(StatusError):
    """The caller went away."""

    number, code, http_status = 1, "CANCELLED", 499


class UnknownError(StatusError):
    """A failure that fits no other code."""

    number, code, http_status = 2, "UNKNOWN", 500


class InvalidArgumentError(StatusError):
    """The request is wrong whatever the state of the server."""

    number, code, http_status = 3, "INVALID_ARGUMENT", 400


class DeadlineExceededError(StatusError):
    """The run took longer than the caller allows."""

    number, code, http_status = 4, "DEADLINE_EXCEEDED", 504


class NotFoundError(StatusError):
    """No such model, version or file."""

    number, code, http_status = 5, "NOT_FOUND", 404


class AlreadyExistsError(StatusError):
    """The thing is there already."""

    number, code, http_status = 6, "ALREADY_EXISTS", 409


class PermissionDeniedError(StatusError):
    """The caller may not."""

    number, code, http_status = 7, "PERMISSION_DENIED", 403


class UnauthenticatedError(StatusError):
    """The caller is unknown."""

    number, code, http_status = 16, "UNAUTHENTICATED", 401


class ResourceExhaustedError(StatusError):
    """A bound was reached."""

    number, code, http_status = 8, "RESOURCE_EXHAUSTED", 429


class FailedPreconditionError(StatusError):
    """The model is not in a state for this request."""

    number, code, http_status = 9, "FAILED_PRECONDITION", 400


class AbortedError(StatusError):
    """Stopped half way by something else."""

    number, code, http_status = 10, "ABORTED", 409


class OutOfRangeError(StatusError):
    """Past the end."""

    number, code, http_status = 11, "OUT_OF_RANGE", 400


class UnimplementedError(StatusError):
    """Not part of what this server does."""

    number, code, http_status = 12, "UNIMPLEMENTED", 501


class InternalError(StatusError):
    """Something that must hold does not."""

    number, code, http_status = 13, "INTERNAL", 500


class UnavailableError(StatusError):
    """Try again later."""

    number, code, http_status = 14, "UNAVAILABLE", 503


class DataLossError(StatusError):
    """Bytes that cannot be read back."""

    number, code, http_status = 15, "DATA_LOSS", 500


_LEAVES = {leaf.number: leaf for leaf in StatusError.__subclasses__()}


def status_error(number: int, message: str) -> StatusError:
    """The leaf for a canonical code `number` (1-16); an unknown number gives UnknownError."""
    return _LEAVES.get(number, UnknownError)(message)
