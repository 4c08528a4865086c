"""Packed varints ↔ numpy, a whole array at a time.

Protobuf writes integers, booleans and half floats as base-128 varints. Going through Python ints
costs tens of nanoseconds a value; these loops run over byte positions (at most ten), not values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def decode(packed: bytes) -> npt.NDArray[np.unsignedinteger[Any]]:
    """The values of a well-formed packed field, as uint8, uint32 or uint64, whichever holds them.

    Negative numbers come as their two's complement: cast to the signed type of the field.
    """
    data = np.frombuffer(packed, dtype=np.uint8)
    more = data >= 0x80
    if not more.any():
        return data
    if not (more[:-3] & more[1:-2] & more[2:-1] & more[3:]).any():
        return _decode_short(data, more)
    return _decode_long(data, more)


def _decode_short(
    data: npt.NDArray[np.uint8], more: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint32]:
    # At most four groups each: take the four bytes that end at each last byte as one word, shift
    # those of the value before out, and close the gaps of the seven-bit groups.
    padded = np.zeros(data.size + 3, dtype=np.uint8)
    padded[3:] = data
    words: npt.NDArray[np.uint32] = np.ndarray((data.size,), "<u4", padded, strides=(1,))[
        np.flatnonzero(~more)
    ]
    second = (words >> 23) & 1
    third = (words >> 15) & second
    fourth = (words >> 7) & third
    words >>= 8 * (3 - second - third - fourth)
    values: npt.NDArray[np.uint32] = words & np.uint32(0x7F)
    values |= (words >> 1) & 0x3F80
    values |= (words >> 2) & 0x1FC000
    values |= (words >> 3) & 0xFE00000
    return values


def _decode_long(
    data: npt.NDArray[np.uint8], more: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint64]:
    ends = np.flatnonzero(~more)
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    values = (data[starts] & 0x7F).astype(np.uint64)
    rows = np.arange(ends.size)
    group = 0
    while True:
        group += 1
        rows = rows[ends[rows] - starts[rows] >= group]
        if not rows.size:
            return values
        part = (data[starts[rows] + group] & 0x7F).astype(np.uint64)
        values[rows] |= part << np.uint64(7 * group)


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
