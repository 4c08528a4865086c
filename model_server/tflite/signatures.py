"""The signatures of a model.tflite, as TF Serving finds them.

They are SignatureDefs in the file's metadata, written by TensorFlow's signature tool. The newer
signatures that a converter writes into the file itself are not looked at: TF Serving does not know
them.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from model_server.errors import FailedPreconditionError, InternalError, InvalidArgumentError
from model_server.servable import DEFAULT_SIGNATURE
from serving_client import protos

METADATA = b"signature_defs_metadata"
_PREDICT = "tensorflow/serving/predict"


def find_definitions(content: bytes, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
    """The SignatureDefMap of a model file whose flatbuffer is known to be valid.

    `inputs` and `outputs` are the TensorInfos of the interpreter's own, by tensor name. Without
    signatures in the file, `serving_default` takes and gives all of them, each under its name up
    to the first colon; of outputs that are then called alike the last by name is given.

    Raises:
        InvalidArgumentError: the metadata does not hold SignatureDefs.
        InternalError: a signature names a tensor that is not there.
        FailedPreconditionError: a signature leaves an input of the model without a value.
    """
    definitions = protos.SignatureDefMap()
    for key, data in _entries(content):
        try:
            definition = protos.SignatureDef.FromString(data)
        except DecodeError as error:
            raise InvalidArgumentError(
                f"Invalid SignatureDefs found in TfLite model: {key} is not a SignatureDef"
            ) from error
        for alias, info in definition.inputs.items():
            info.name = _known(info.name, inputs, f"input {alias}")
        for alias, info in definition.outputs.items():
            info.name = _known(info.name, outputs, f"output {alias}")
        fed = {info.name for info in definition.inputs.values()}
        if unfed := sorted(inputs.keys() - fed):
            raise FailedPreconditionError(
                f"Signature {key} does not name the input(s) {', '.join(unfed)}: they would keep "
                "what an earlier request put there"
            )
        definitions.signature_def[key].CopyFrom(definition)
    if definitions.signature_def:
        return definitions
    definition = definitions.signature_def[DEFAULT_SIGNATURE]
    definition.method_name = _PREDICT
    for infos, made in ((inputs, definition.inputs), (outputs, definition.outputs)):
        for name, info in sorted(infos.items()):
            made[_legacy(name)].CopyFrom(info)
    return definitions


def _entries(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Keys and serialized SignatureDefs of the metadata entry, none where there is no entry."""
    from ai_edge_litert.schema_py_generated import Model
    from flatbuffers import flexbuffers

    model = Model.GetRootAs(content, 0)
    for entry in map(model.Metadata, range(model.MetadataLength())):
        if entry.Name() != METADATA:
            continue
        try:
            data = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
            table = flexbuffers.GetRoot(data).AsMap
            for key in table.Keys:
                yield key.AsKey, bytes(table[key.AsKey].AsStringBytes)
        except (AttributeError, LookupError, TypeError, ValueError, struct.error) as error:
            raise InvalidArgumentError(
                f"Invalid SignatureDefs found in TfLite model: {error}"
            ) from error


def _known(name: str, tensors: Collection[str], user: str) -> str:
    for candidate in (name, _legacy(name)):
        if candidate in tensors:
            return candidate
    raise InternalError(
        f"Unknown tensor '{name}'.\n\tSignature {user} references an unknown tensor"
    )


def _legacy(name: str) -> str:
    return name.partition(":")[0]
