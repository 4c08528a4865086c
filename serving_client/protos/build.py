"""Turns the tables of `schema` into message classes in a descriptor pool of our own.

A private pool is what lets this package and `tensorflow` or `tensorflow_serving` live in one
process: the same message names in the default pool would clash.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pool, message_factory, wrappers_pb2

from serving_client.protos import schema, schema_tensorflow
from serving_client.protos.descriptors import (
    ENUM,
    MESSAGE,
    SCALARS,
    Enum,
    Field,
    Message,
    encode_file,
)

_FILES = {
    "tensorflow.error": schema_tensorflow.ERROR,
    "tensorflow": schema_tensorflow.TENSORFLOW,
    "tensorflow.serving": schema.SERVING,
    "grpc.health.v1": schema.HEALTH,
    "serving_client.wire": schema.WIRE,
}


class _File:
    """One package under construction: every container by its dotted name, "" for the file."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.name = f"serving_client/{package}.proto"
        self.messages = {"": Message("")}

    def message(self, path: str) -> Message:
        """The message of a path; its parents are made on the way."""
        if path not in self.messages:
            parent, _, name = path.rpartition(".")
            self.messages[path] = Message(name)
            self.message(parent).nested.append(self.messages[path])
        return self.messages[path]

    def add_enum(self, path: str, lines: list[str]) -> None:
        parent, _, name = path.rpartition(".")
        values = [(int(number), member) for number, member in (line.split() for line in lines)]
        if name == "DataType":
            values += [(number + 100, f"{member}_REF") for number, member in values if number]
        self.message(parent).enums.append(Enum(name, values))

    def encode(self, imports: list[str]) -> bytes:
        return encode_file(self.name, self.package, imports, self.messages[""])


def _blocks(table: str) -> list[list[str]]:
    return [block.split("\n") for block in table.strip().split("\n\n")]


def _field(name: str, number: int, type_name: str, package: str, enums: set[str]) -> Field:
    if type_name in SCALARS:
        return Field(name, number, SCALARS[type_name])
    known = type_name.startswith(("google.", "tensorflow."))
    full = type_name if known else f"{package}.{type_name}"
    return Field(name, number, ENUM if full in enums else MESSAGE, full)


def _oneof(message: Message, name: str) -> int:
    if name not in message.oneofs:
        message.oneofs.append(name)
    return message.oneofs.index(name)


def _add_field(message: Message, path: str, line: str, package: str, enums: set[str]) -> None:
    declaration, _, oneof = line.partition(" | ")
    number, *label, type_name, name = declaration.split()
    if type_name.startswith("map<"):
        key, value = type_name[4:-1].split(",")
        entry = Message(f"{name.title().replace('_', '')}Entry", is_map_entry=True)
        entry.fields.append(_field("key", 1, key, package, enums))
        entry.fields.append(_field("value", 2, value, package, enums))
        message.nested.append(entry)
        kind = f"{package}.{path}.{entry.name}"
        message.fields.append(Field(name, int(number), MESSAGE, kind, repeated=True))
        return
    added = _field(name, int(number), type_name, package, enums)
    added.repeated = label == ["repeated"]
    added.explicit = label == ["optional"]
    if oneof:
        added.oneof = _oneof(message, oneof)
    message.fields.append(added)


def _add_message(
    message: Message, path: str, lines: list[str], file: _File, enums: set[str]
) -> None:
    for line in lines:
        _add_field(message, path, line, file.package, enums)
    for member in message.fields:  # these oneofs must come after all real ones
        if member.explicit:
            member.oneof = _oneof(message, f"_{member.name}")


def build_pool() -> tuple[descriptor_pool.DescriptorPool, dict[str, Any]]:
    """The private pool and its message classes by full name (`tensorflow.TensorProto`)."""
    pool = descriptor_pool.DescriptorPool()
    available = []
    for known in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
        available.append(known.DESCRIPTOR.name)
    enums = {
        f"{package}.{block[0].split()[1]}"
        for package, table in _FILES.items()
        for block in _blocks(table)
        if block[0].startswith("enum ")
    }
    names = ["google.protobuf.Any"]
    names += [f"google.protobuf.{name}" for name in wrappers_pb2.DESCRIPTOR.message_types_by_name]
    for package, table in _FILES.items():
        file = _File(package)
        for head, *lines in _blocks(table):
            if head.startswith("enum "):
                file.add_enum(head.split()[1], lines)
            else:
                _add_message(file.message(head), head, lines, file, enums)
        pool.AddSerializedFile(file.encode(available))
        available.append(file.name)
        names += [f"{package}.{path}" for path in file.messages if path]
    classes = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names
    }
    return pool, classes
