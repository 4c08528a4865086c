"""A model's metadata as plain values: signatures, and dtype and shape of each input and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from serving_client import protos
from serving_client.dtype_names import dtype_name
from serving_client.errors import ResponseError, SignatureError
from serving_client.results import DEFAULT_SIGNATURE


@dataclass(frozen=True)
class TensorSpec:
    """What a model says of one input or output.

    `dtype` is TensorFlow's name in lower case ("float", "string", "int64"); `shape` has None for a
    dimension of any size and is itself None when even the rank is open. `optional` inputs have a
    default value in the model.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    enum: int
    optional: bool = False

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name}: {self.dtype}[...]"
        sizes = ",".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype}[{sizes}]"


@dataclass(frozen=True)
class Signature:
    """One function of a model."""

    name: str
    method: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    def __str__(self) -> str:
        takes = ", ".join(map(str, self.inputs.values())) or "nothing"
        return f"{self.name}({takes})"


@dataclass(frozen=True)
class ModelMetadata:
    """The signatures of one version of a model."""

    model: str
    version: int
    signatures: Mapping[str, Signature]

    def signature(self, name: str | None = None) -> Signature:
        """A signature by name, the default one without. SignatureError names those there are."""
        wanted = name or DEFAULT_SIGNATURE
        try:
            return self.signatures[wanted]
        except KeyError:
            names = ", ".join(sorted(n for n in self.signatures if not n.startswith("__")))
            raise SignatureError(
                f"model {self.model} version {self.version} has no signature {wanted!r}; "
                f"it has {names or 'none'}"
            ) from None


def _tensor(name: str, info: Any, *, optional: bool) -> TensorSpec:
    shape = None
    if not info.tensor_shape.unknown_rank:
        shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(name, dtype_name(info.dtype), shape, info.dtype, optional)


def signatures(proto: Any) -> dict[str, Signature]:
    """The signatures of a SignatureDefMap message."""
    return {
        name: Signature(
            name=name,
            method=each.method_name,
            inputs={
                alias: _tensor(alias, each.inputs[alias], optional=alias in each.defaults)
                for alias in sorted(each.inputs)
            },
            outputs={
                alias: _tensor(alias, each.outputs[alias], optional=False)
                for alias in sorted(each.outputs)
            },
        )
        for name, each in sorted(proto.signature_def.items())
    }


def metadata(response: Any) -> ModelMetadata:
    """Read a GetModelMetadataResponse that was asked for `signature_def`."""
    if "signature_def" not in response.metadata:
        raise ResponseError("the answer has no signature_def")
    try:
        found = protos.SignatureDefMap.FromString(response.metadata["signature_def"].value)
    except DecodeError as error:
        raise ResponseError(f"the signature_def cannot be read: {error}") from error
    spec = response.model_spec
    return ModelMetadata(spec.name, spec.version.value, signatures(found))
