"""What can go wrong, as one tree.

    ServingError                     catch this one for everything
    ├── CancelledError               a leaf for each gRPC code …
    ├── UnknownError
    ├── InvalidArgumentError
    │   └── InputError               found here, before anything was sent (also a ValueError)
    │       ├── SignatureError       the model has no signature of that name
    │       └── TensorError          a value or TensorProto that is no valid tensor
    ├── DeadlineExceededError        (also a TimeoutError)
    ├── NotFoundError
    ├── AlreadyExistsError
    ├── PermissionDeniedError
    ├── ResourceExhaustedError       retryable
    ├── FailedPreconditionError
    ├── AbortedError                 retryable
    ├── OutOfRangeError
    ├── UnimplementedError
    ├── InternalError
    │   └── ResponseError            the server's answer does not make sense
    ├── UnavailableError             retryable
    │   └── LookupTimeoutError       the server's name was not resolved by the deadline
    ├── DataLossError
    └── UnauthenticatedError

Each carries `code` (the canonical name, such as "UNAVAILABLE"), `http_status` (TF Serving's REST
table), `message`, `retryable`, and, once it has passed through a client, `endpoint` and `attempts`.
"""

from __future__ import annotations

from typing import ClassVar


class ServingError(Exception):
    """Any failure of a call, or of preparing one."""

    code: ClassVar[str] = "UNKNOWN"
    http_status: ClassVar[int] = 500
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        endpoint: str | None = None,
        attempts: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.endpoint = endpoint
        self.attempts = attempts
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        notes = []
        if self.endpoint:
            notes.append(f"from {self.endpoint}")
        if self.attempts > 1:
            notes.append(f"after {self.attempts} attempts")
        return f"{text} ({' '.join(notes)})" if notes else text

    def __reduce__(self) -> tuple[object, ...]:
        # Pickled by multiprocessing and Beam: the keyword state must survive.
        return type(self), (self.message,), self.__dict__


class CancelledError(ServingError):
    """The call was cancelled, here or by the server."""

    code = "CANCELLED"
    http_status = 499


class UnknownError(ServingError):
    """The server gave no better code."""

    code = "UNKNOWN"


class InvalidArgumentError(ServingError):
    """The request is wrong and will stay wrong."""

    code = "INVALID_ARGUMENT"
    http_status = 400


class InputError(InvalidArgumentError, ValueError):
    """The request is wrong, and was not sent."""


class SignatureError(InputError):
    """The model has no signature of that name."""


class TensorError(InputError):
    """A value that cannot be made a TensorProto, or a TensorProto that is no tensor."""


class DeadlineExceededError(ServingError, TimeoutError):
    """No answer within the call's total deadline."""

    code = "DEADLINE_EXCEEDED"
    http_status = 504


class NotFoundError(ServingError):
    """No such model, version or resource."""

    code = "NOT_FOUND"
    http_status = 404


class AlreadyExistsError(ServingError):
    """The thing to create exists."""

    code = "ALREADY_EXISTS"
    http_status = 409


class PermissionDeniedError(ServingError):
    """Known caller, not allowed."""

    code = "PERMISSION_DENIED"
    http_status = 403


class ResourceExhaustedError(ServingError):
    """A queue, quota or limit is full."""

    code = "RESOURCE_EXHAUSTED"
    http_status = 429
    retryable = True


class FailedPreconditionError(ServingError):
    """The server is not in a state to do this; an unknown signature is reported so."""

    code = "FAILED_PRECONDITION"
    http_status = 400


class AbortedError(ServingError):
    """Stopped halfway, usually by a conflict."""

    code = "ABORTED"
    http_status = 409
    retryable = True


class OutOfRangeError(ServingError):
    """Past the valid range."""

    code = "OUT_OF_RANGE"
    http_status = 400


class UnimplementedError(ServingError):
    """The server does not have this method or feature."""

    code = "UNIMPLEMENTED"
    http_status = 501


class InternalError(ServingError):
    """The server broke an invariant of its own."""

    code = "INTERNAL"


class ResponseError(InternalError):
    """The answer arrived but does not make sense."""


class UnavailableError(ServingError):
    """The server cannot be reached or refuses work for now."""

    code = "UNAVAILABLE"
    http_status = 503
    retryable = True


class LookupTimeoutError(UnavailableError):
    """The name of the server was not resolved by the deadline."""


class DataLossError(ServingError):
    """Data is lost or corrupt."""

    code = "DATA_LOSS"


class UnauthenticatedError(ServingError):
    """No valid credentials."""

    code = "UNAUTHENTICATED"
    http_status = 401


BY_CODE: dict[str, type[ServingError]] = {leaf.code: leaf for leaf in ServingError.__subclasses__()}

_CODE_BY_HTTP_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def from_code(code: str, message: str, *, retryable: bool | None = None) -> ServingError:
    """The leaf for a canonical gRPC code name; a name nobody knows gives UnknownError."""
    return BY_CODE.get(code, UnknownError)(message, retryable=retryable)


def from_http_status(status: int, message: str) -> ServingError:
    """The leaf for an HTTP status. Several codes share one status, so this is the likeliest."""
    return from_code(_CODE_BY_HTTP_STATUS.get(status, "UNKNOWN"), message)
