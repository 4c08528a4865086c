"""Finds variables that a signature reads and that loading did not fill."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

from model_server.runtime.library import Output, Status, library

# How to ask whether the variable of an operation of this type has a value.
_QUESTIONS = {
    b"VarHandleOp": b"VarIsInitializedOp",
    b"VariableV2": b"IsVariableInitialized",
    b"Variable": b"IsVariableInitialized",
}


def add_questions(graph: int, tensors: Iterable[str]) -> dict[str, Output]:
    """Add an operation for every variable that `tensors` depend on: its name to a bool output.

    Must be called before the graph is run from several threads; the session takes the new
    operations in on its next run. Tensor names that are not in the graph are passed over.
    """
    questions = {}
    for operation, kind in _variables(graph, tensors):
        name = library().TF_OperationName(operation)
        asked = library().TF_NewOperation(graph, _QUESTIONS[kind], b"livebert/is_set/" + name)
        library().TF_AddInput(asked, Output(operation, 0))
        with Status() as status:
            made = library().TF_FinishOperation(asked, status)
        questions[name.decode()] = Output(made, 0)
    return questions


def _variables(graph: int, tensors: Iterable[str]) -> list[tuple[int, bytes]]:
    """The variables' operations and their types, walking back from `tensors`."""
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
        if kind in _QUESTIONS:
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
