"""Finds variables and tables that a signature reads and that loading did not fill."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass, field

from model_server.runtime.library import Output, Status, library

# How to ask whether the variable of an operation of this type has a value.
_VARIABLES = {
    b"VarHandleOp": b"VarIsInitializedOp",
    b"VariableV2": b"IsVariableInitialized",
    b"Variable": b"IsVariableInitialized",
}
# What fails for a table of this type that was never filled.
_TABLES = {b"HashTableV2": b"LookupTableExportV2", b"HashTable": b"LookupTableExport"}


@dataclass(frozen=True)
class Questions:
    """Outputs to fetch, by the names of the operations that hold the state.

    `variables` are true where there is a value; fetching one of the `tables` fails where there is
    none.
    """

    variables: dict[str, Output] = field(default_factory=dict)
    tables: dict[str, Output] = field(default_factory=dict)


def add_questions(graph: int, tensors: Iterable[str]) -> Questions:
    """Add an operation for every variable and table that `tensors` depend on.

    Must be called before the graph is run from several threads; the session takes the new
    operations in on its next run. Tensor names that are not in the graph are passed over.
    """
    questions = Questions()
    for operation, kind in _holders(graph, tensors):
        name = library().TF_OperationName(operation)
        table = kind in _TABLES
        asked = library().TF_NewOperation(
            graph, (_TABLES if table else _VARIABLES)[kind], b"livebert/is_set/" + name
        )
        library().TF_AddInput(asked, Output(operation, 0))
        if table:
            for ours, theirs in ((b"Tkeys", b"key_dtype"), (b"Tvalues", b"value_dtype")):
                library().TF_SetAttrType(asked, ours, _type(operation, theirs))
        with Status() as status:
            made = library().TF_FinishOperation(asked, status)
        found = questions.tables if table else questions.variables
        found[name.decode()] = Output(made, 0)
    return questions


def _type(operation: int, attribute: bytes) -> int:
    value = ctypes.c_int()
    with Status() as status:
        library().TF_OperationGetAttrType(operation, attribute, ctypes.byref(value), status)
    return value.value


def _holders(graph: int, tensors: Iterable[str]) -> list[tuple[int, bytes]]:
    """The operations that hold state and their types, walking back from `tensors`."""
    tf = library()
    todo = [tf.TF_GraphOperationByName(graph, name.partition(":")[0].encode()) for name in tensors]
    seen: set[int] = set()
    found = []
    while todo:
        operation = todo.pop()
        if not operation or operation in seen:
            continue
        seen.add(operation)
        kind = tf.TF_OperationOpType(operation)
        if kind in _VARIABLES or kind in _TABLES:
            found.append((operation, kind))
            continue
        todo += [
            tf.TF_OperationInput(Output(operation, index)).operation
            for index in range(tf.TF_OperationNumInputs(operation))
        ]
        controls = (ctypes.c_void_p * tf.TF_OperationNumControlInputs(operation))()
        tf.TF_OperationGetControlInputs(operation, controls, len(controls))
        todo += list(controls)
    return found
