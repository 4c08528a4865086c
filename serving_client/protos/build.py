"""Turns the tables of `schema` into message classes in a descriptor pool of our own.

A private pool is what lets this package and `tensorflow` or `tensorflow_serving` live in one
process: the same message names in the default pool would clash.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from serving_client.protos import schema, schema_tensorflow

Field = descriptor_pb2.FieldDescriptorProto

_SCALARS = {
    "double": Field.TYPE_DOUBLE,
    "float": Field.TYPE_FLOAT,
    "int64": Field.TYPE_INT64,
    "uint64": Field.TYPE_UINT64,
    "int32": Field.TYPE_INT32,
    "bool": Field.TYPE_BOOL,
    "string": Field.TYPE_STRING,
    "bytes": Field.TYPE_BYTES,
    "uint32": Field.TYPE_UINT32,
    "sint64": Field.TYPE_SINT64,
}
_FILES = {
    "tensorflow.error": schema_tensorflow.ERROR,
    "tensorflow": schema_tensorflow.TENSORFLOW,
    "tensorflow.serving": schema.SERVING,
    "grpc.health.v1": schema.HEALTH,
    "serving_client.wire": schema.WIRE,
}


class _File:
    """One package under construction: its descriptor, and every container by its dotted name."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.proto = descriptor_pb2.FileDescriptorProto(
            name=f"serving_client/{package}.proto", package=package, syntax="proto3"
        )
        self.messages: dict[str, Any] = {}

    def message(self, path: str) -> Any:
        """The descriptor of a message; parents named by the path are made on the way."""
        if path not in self.messages:
            parent, _, name = path.rpartition(".")
            siblings = self.message(parent).nested_type if parent else self.proto.message_type
            self.messages[path] = siblings.add(name=name)
        return self.messages[path]

    def enum(self, path: str) -> Any:
        parent, _, name = path.rpartition(".")
        owner = self.message(parent).enum_type if parent else self.proto.enum_type
        return owner.add(name=name)


def _blocks(table: str) -> list[list[str]]:
    return [block.split("\n") for block in table.strip().split("\n\n")]


def _fill_enum(target: Any, lines: list[str]) -> None:
    values = [(int(number), name) for number, name in (line.split() for line in lines)]
    if target.name == "DataType":
        values += [(number + 100, f"{name}_REF") for number, name in values if number]
    for number, name in values:
        target.value.add(number=number, name=name)


def _set_type(field: Any, type_name: str, package: str, enums: set[str]) -> None:
    if type_name in _SCALARS:
        field.type = _SCALARS[type_name]
        return
    known = type_name.startswith(("google.", "tensorflow."))
    full = type_name if known else f"{package}.{type_name}"
    field.type = Field.TYPE_ENUM if full in enums else Field.TYPE_MESSAGE
    field.type_name = f".{full}"


def _oneof(message: Any, name: str) -> int:
    names = [oneof.name for oneof in message.oneof_decl]
    if name not in names:
        message.oneof_decl.add(name=name)
        return len(names)
    return names.index(name)


def _add_field(message: Any, path: str, line: str, package: str, enums: set[str]) -> None:
    declaration, _, oneof = line.partition(" | ")
    number, *label, type_name, name = declaration.split()
    field = message.field.add(name=name, number=int(number), label=Field.LABEL_OPTIONAL)
    if type_name.startswith("map<"):
        key, value = type_name[4:-1].split(",")
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        for index, (part, part_type) in enumerate((("key", key), ("value", value)), start=1):
            member = entry.field.add(name=part, number=index, label=Field.LABEL_OPTIONAL)
            _set_type(member, part_type, package, enums)
        field.label = Field.LABEL_REPEATED
        field.type = Field.TYPE_MESSAGE
        field.type_name = f".{package}.{path}.{entry.name}"
        return
    _set_type(field, type_name, package, enums)
    if label == ["repeated"]:
        field.label = Field.LABEL_REPEATED
    elif oneof:
        field.oneof_index = _oneof(message, oneof)


def _add_optionals(message: Any, lines: list[str]) -> None:
    # Synthetic oneofs must come after all real ones.
    fields = {field.name: field for field in message.field}
    for line in lines:
        if " optional " in line:
            field = fields[line.split()[-1]]
            field.proto3_optional = True
            field.oneof_index = _oneof(message, f"_{field.name}")


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
                _fill_enum(file.enum(head.split()[1]), lines)
                continue
            message = file.message(head)
            for line in lines:
                _add_field(message, head, line, package, enums)
            _add_optionals(message, lines)
        file.proto.dependency.extend(available)
        pool.AddSerializedFile(file.proto.SerializeToString())
        available.append(file.proto.name)
        names += [f"{package}.{path}" for path in file.messages]
    classes = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names
    }
    return pool, classes
