"""The little of protobuf's wire format that is written and read by hand.

Used where a message class would cost more than the bytes (a tensor of floats, session settings) or
where only one field of a large message is wanted (the signatures of a MetaGraphDef).
"""

from __future__ import annotations

from collections.abc import Iterator


def varint(value: int) -> bytes:
    """A non-negative integer as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """The integer at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of each varint and length-delimited field of one message.

    Raises:
        IndexError: the message ends in the middle of a field.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == 2:
            size, at = read_varint(data, at)
            if at + size > end:
                raise IndexError(f"a field of {size} bytes, of which {end - at} are there")
            yield key >> 3, data[at : at + size]
            at += size
        elif kind == 0:
            value, at = read_varint(data, at)
            yield key >> 3, value
        else:
            at += 8 if kind == 1 else 4


def length_delimited(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(field number, bytes) of each length-delimited field of one message, others skipped."""
    return ((number, value) for number, value in fields(data) if not isinstance(value, int))
