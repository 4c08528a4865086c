"""The two forms of a predict request: rows (`instances`) and columns (`inputs`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_server.errors import InvalidArgumentError, StatusError, status_error
from model_server.rest.parsing import show
from model_server.rest.values import TensorWriter, is_base64
from model_server.servable import Signature

Tensors = dict[str, Any]


def read_inputs(document: Mapping[str, Any], signature: Signature) -> tuple[Tensors, bool]:
    """Alias to TensorProto, and whether the request was in rows.

    Raises:
        StatusError: the document does not fit the signature.
    """
    if not signature.inputs:
        name = document.get("signature_name") or "DEFAULT"
        raise InvalidArgumentError(f"Failed to get input map for signature: {name}")
    both = "instances" in document, "inputs" in document
    if all(both):
        raise InvalidArgumentError(
            f"JSON Value: {show(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if not any(both):
        raise InvalidArgumentError("Missing 'inputs' or 'instances' key")
    dtypes = {alias: info.dtype for alias, info in signature.definition.inputs.items()}
    if both[0]:
        return _rows(document["instances"], dtypes), True
    return _columns(document["inputs"], dtypes), False


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _rows(instances: Any, dtypes: Mapping[str, int]) -> Tensors:
    if not isinstance(instances, list):
        raise InvalidArgumentError(
            f"JSON Value: {show(instances)} Expecting 'instances' to be an list/array"
        )
    if not instances:
        raise InvalidArgumentError(f"JSON Value: {show(instances)} No values in 'instances' array")
    objects = _is_object(instances[0])
    if not objects and len(dtypes) > 1:
        raise InvalidArgumentError(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    writers = {alias: TensorWriter(dtype) for alias, dtype in dtypes.items()}
    shapes: dict[str, tuple[int, ...]] = {}
    for index, item in enumerate(instances):
        if _is_object(item) is not objects:
            wanted, got = ("object", "list") if objects else ("value/list", "object")
            raise InvalidArgumentError(
                f"Expecting {wanted} but got {got} at item {index} of input list"
            )
        if objects:
            _check_keys(item, dtypes, index)
        for alias, writer in writers.items():
            place = f"{index} key: {alias}" if objects else str(index)
            try:
                shape = writer.add(item[alias] if objects else item)
                _check_shape(shape, shapes.setdefault(alias, shape))
            except StatusError as error:
                raise status_error(
                    error.number,
                    f"Failed to process element: {place} of 'instances' list. "
                    f"Error: {error.code}: {error.message}",
                ) from error
    return {
        alias: writer.proto((len(instances), *shapes[alias])) for alias, writer in writers.items()
    }


def _check_keys(item: Mapping[str, Any], dtypes: Mapping[str, int], index: int) -> None:
    if item.keys() == dtypes.keys():
        return
    missing = sorted(dtypes.keys() - item.keys())
    if missing:
        raise InvalidArgumentError(
            f"Failed to process element: {index} key: {missing[0]} of 'instances' list. "
            f"Error: INVALID_ARGUMENT: JSON object: does not have named input: {missing[0]}"
        )
    raise InvalidArgumentError(
        f"Failed to process element: {index} of 'instances' list. JSON object: {show(item)} keys "
        f"must be equal to: {','.join(sorted(dtypes))}"
    )


def _check_shape(shape: tuple[int, ...], first: tuple[int, ...]) -> None:
    if shape == first:
        return
    size, wanted = 1, 1
    for dim in shape:
        size *= dim
    for dim in first:
        wanted *= dim
    if size != wanted:
        raise InvalidArgumentError(f"Expecting tensor size: {wanted} but got: {size}")
    raise InvalidArgumentError(
        f"Expecting shape [{','.join(map(str, first))}] but got: [{','.join(map(str, shape))}]"
    )


def _columns(inputs: Any, dtypes: Mapping[str, int]) -> Tensors:
    if not _is_object(inputs):
        if len(dtypes) > 1:
            raise InvalidArgumentError(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        inputs = {next(iter(dtypes)): inputs}
    tensors = {}
    for alias, dtype in dtypes.items():
        if alias not in inputs:
            raise InvalidArgumentError(f"Missing named input: {alias} in 'inputs' object.")
        writer = TensorWriter(dtype)
        tensors[alias] = writer.proto(writer.add(inputs[alias]))
    return tensors
