"""The names of DataType numbers, as people write them."""

from __future__ import annotations

from serving_client import protos


def dtype_name(enum: int) -> str:
    """`float`, `string`, `bfloat16`: the wire's name without `DT_`, in lower case."""
    try:
        return str(protos.DataType.Name(enum)).removeprefix("DT_").lower()
    except ValueError:
        return f"type {enum}"
