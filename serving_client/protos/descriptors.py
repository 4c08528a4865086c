"""File descriptors, written straight into their wire form.

The numbers are those of google/protobuf/descriptor.proto. Its own classes (`descriptor_pb2`) would
do the same, but take longer to import than all of this package, and 7 MB.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SCALARS = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "uint32": 13,
    "sint64": 18,
}
MESSAGE, ENUM = 11, 14
_OPTIONAL, _REPEATED = 1, 3


@dataclass
class Field:
    """A member of a message; `type_name` is the full name of a message or enumeration."""

    name: str
    number: int
    type: int
    type_name: str = ""
    repeated: bool = False
    oneof: int | None = None
    explicit: bool = False  # `optional` of proto3, inside a oneof of its own

    def encode(self) -> bytes:
        """FieldDescriptorProto."""
        label = _REPEATED if self.repeated else _OPTIONAL
        data = _text(1, self.name) + _number(3, self.number) + _number(4, label)
        data += _number(5, self.type)
        if self.type_name:
            data += _text(6, f".{self.type_name}")
        if self.oneof is not None:
            data += _number(9, self.oneof)
        return data + _number(17, 1) if self.explicit else data


@dataclass
class Enum:
    """An enumeration: (number, name) in order."""

    name: str
    values: list[tuple[int, str]]

    def encode(self) -> bytes:
        """EnumDescriptorProto."""
        values = (_text(1, name) + _number(2, number) for number, name in self.values)
        return _text(1, self.name) + b"".join(_piece(2, value) for value in values)


@dataclass
class Message:
    """A message type with what is nested in it. `is_map_entry` marks the pairs of a map field."""

    name: str
    fields: list[Field] = field(default_factory=list)
    nested: list[Message] = field(default_factory=list)
    enums: list[Enum] = field(default_factory=list)
    oneofs: list[str] = field(default_factory=list)
    is_map_entry: bool = False

    def encode(self) -> bytes:
        """DescriptorProto."""
        data = _text(1, self.name)
        data += b"".join(_piece(2, member.encode()) for member in self.fields)
        data += b"".join(_piece(3, message.encode()) for message in self.nested)
        data += b"".join(_piece(4, enum.encode()) for enum in self.enums)
        if self.is_map_entry:
            data += _piece(7, _number(7, 1))
        return data + b"".join(_piece(8, _text(1, name)) for name in self.oneofs)


def encode_file(name: str, package: str, imports: list[str], top: Message) -> bytes:
    """FileDescriptorProto of what is nested in `top`, syntax proto3."""
    data = _text(1, name) + _text(2, package)
    data += b"".join(_text(3, path) for path in imports)
    data += b"".join(_piece(4, message.encode()) for message in top.nested)
    data += b"".join(_piece(5, enum.encode()) for enum in top.enums)
    return data + _text(12, "proto3")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field_number: int, value: int) -> bytes:
    # Negative ones as ten bytes, in two's complement.
    return _varint(field_number << 3) + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def _piece(field_number: int, data: bytes) -> bytes:
    return _varint(field_number << 3 | 2) + _varint(len(data)) + data


def _text(field_number: int, text: str) -> bytes:
    return _piece(field_number, text.encode())
