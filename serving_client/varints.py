"""Packed varints ↔ numpy, a whole array at a time.

Protobuf writes integers, booleans and half floats as base-128 varints. Going through Python ints
costs tens of nanoseconds a value; these loops run over byte positions (at most ten), not values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def decode(packed: bytes) -> npt.NDArray[np.unsignedinteger[Any]]:
    """The values of a well-formed packed field, uint64 (uint8 where all fit in seven bits).

    Negative numbers come as their two's complement: cast to the signed type of the field.
    """
    data = np.frombuffer(packed, dtype=np.uint8)
    last = data < 0x80
    if last.all():
        return data
    ends = np.flatnonzero(last)
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    longest = int((ends - starts).max()) + 1
    # int_val, half_val and small int64 never need more than five groups unless negative.
    width: Any = np.uint32 if longest <= 4 else np.uint64
    values = (data[starts] & 0x7F).astype(width)
    rows: Any = slice(None)
    for group in range(1, longest):
        more = ends[rows] - starts[rows] >= group
        if not more.all():
            rows = np.flatnonzero(more) if isinstance(rows, slice) else rows[more]
        part = (data[starts[rows] + group] & 0x7F).astype(width)
        values[rows] |= part << width(7 * group)
    return values


def encode(values: npt.NDArray[Any]) -> bytes:
    """The packed form of integers or booleans, any shape, in C order; signed ones sign-extended."""
    flat = np.ravel(values)
    if flat.size == 0:
        return b""
    bits: npt.NDArray[np.uint64]
    if flat.dtype.kind == "i":
        bits = flat.astype(np.int64).view(np.uint64)
    else:
        bits = flat.astype(np.uint64)
    top = int(bits.max())
    if top < 0x80:
        return bits.astype(np.uint8).tobytes()
    groups = -(-top.bit_length() // 7)
    table = np.empty((bits.size, groups), dtype=np.uint8)
    used = np.empty((bits.size, groups), dtype=np.bool_)
    rest = bits
    for group in range(groups):
        used[:, group] = rest != 0 if group else True
        low = (rest & np.uint64(0x7F)).astype(np.uint8)
        rest = rest >> np.uint64(7)
        table[:, group] = low | np.where(rest != 0, np.uint8(0x80), np.uint8(0))
    return table[used].tobytes()
