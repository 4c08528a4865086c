"""What calls give back: frozen values with numpy and plain Python inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from serving_client import protos
from serving_client.errors import ResponseError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True, eq=False)
class Prediction(Mapping[str, "Array"]):
    """The outputs of Predict by name, and who answered.

    `prediction["score"]` is a numpy array; strings are object arrays of bytes, `text("label")`
    gives them as str. `version` is the version that answered, None
    where the server does not tell it: over REST, unless the call asked for a certain one.
    """

    outputs: dict[str, Array]
    model: str
    version: int | None
    signature: str

    def __getitem__(self, name: str) -> Array:
        try:
            return self.outputs[name]
        except KeyError:
            raise KeyError(f"no output {name!r}; there are {', '.join(self.outputs)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)

    def text(self, name: str) -> Any:
        """A string output as str: a list of the output's shape (one str for a scalar).

        Bytes that are no UTF-8 become U+FFFD.
        """
        array = self[name]
        if array.dtype != object:
            raise ResponseError(f"output {name!r} is {array.dtype}, not text")
        return as_text(array.tolist())


@dataclass(frozen=True)
class VersionStatus:
    """One version of a model as the server sees it.

    `state` is START, LOADING, AVAILABLE, UNLOADING, END or UNKNOWN; an END with an `error_code`
    other than OK is a version that failed to load.
    """

    version: int
    state: str
    error_code: str
    error_message: str

    @property
    def available(self) -> bool:
        """Whether the version answers calls."""
        return self.state == "AVAILABLE"

    @property
    def failed(self) -> bool:
        """Whether the version ended with an error."""
        return self.state == "END" and self.error_code != "OK"


@dataclass(frozen=True)
class Class:
    """One class of a classification."""

    label: str
    score: float


@dataclass(frozen=True)
class Classification:
    """The answer to Classify: for each example its classes, in the model's order."""

    examples: tuple[tuple[Class, ...], ...]
    model: str
    version: int | None
    signature: str

    def best(self) -> list[Class]:
        """For each example the class with the highest score. ResponseError if one has none."""
        if not all(self.examples):
            raise ResponseError("the model gave an example no classes")
        return [max(classes, key=lambda each: each.score) for classes in self.examples]


@dataclass(frozen=True, eq=False)
class Regression:
    """The answer to Regress: float32[n], one value for each example."""

    values: Array
    model: str
    version: int | None
    signature: str


@dataclass(frozen=True)
class Reloaded:
    """The answer to a reload: the increase of each metric asked for."""

    metrics: dict[str, int]


def as_text(value: Any) -> Any:
    """Bytes as str, also inside nested lists; bytes that are no UTF-8 become U+FFFD."""
    if isinstance(value, list):
        return [as_text(each) for each in value]
    return value.decode(errors="replace")


def version_statuses(response: Any) -> tuple[VersionStatus, ...]:
    """Read a GetModelStatusResponse, highest version first."""
    found = [
        VersionStatus(
            version=each.version,
            state=_enum_name(protos.ModelVersionState, each.state),
            error_code=_enum_name(protos.ErrorCode, each.status.error_code),
            error_message=each.status.error_message,
        )
        for each in response.model_version_status
    ]
    return tuple(sorted(found, key=lambda each: -each.version))


def reloaded(response: Any) -> Reloaded:
    """Read a ReloadConfigResponse."""
    return Reloaded({each.name: each.int64_value_increase for each in response.metric})


def health(response: Any) -> str:
    """Read a HealthCheckResponse."""
    return _enum_name(protos.ServingStatus, response.status)


def _enum_name(enum: Any, number: int) -> str:
    try:
        return str(enum.Name(number))
    except ValueError:
        return "UNKNOWN"
