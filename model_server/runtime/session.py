"""A SavedModel in a session, loaded by the same C++ code as in TF Serving."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from model_server.errors import (
    AbortedError,
    FailedPreconditionError,
    NotFoundError,
    StatusError,
    UnimplementedError,
)
from model_server.runtime.library import Output, Status, library
from model_server.runtime.options import SessionOptions, new_session_options, run_options
from model_server.runtime.state import add_questions
from model_server.runtime.tensor import Tensor, adopt
from model_server.runtime.wire import length_delimited

_SIGNATURE_DEF = 5  # its field number in MetaGraphDef
_MAX_PLANS = 1024  # each distinct set of feeds and fetches is resolved once and kept


# A graph this fast, asked this little, is run by the calling thread: handing it to TensorFlow's
# pool and waiting costs more than the run. TensorFlow cannot stop such a run at its deadline, so
# graphs that can loop for as long as their input says never take that way.
_QUICK_SECONDS = 0.001
_SMALL_ELEMENTS = 1024
_PIECE_BYTES = 1 << 17  # of a MetaGraphDef, searched at a time
_LOOPS = (b"While", b"NextIteration", b"MapDefun", b"PyFunc")
# Operations that leave something behind in a variable or a table when a signature is run.
_WRITES = (b"AssignAdd", b"AssignSub", b"ResourceScatter", b"LookupTableInsert")
# Operations whose first run may start threads that stay, with the priority of who runs them.
_THREADS = (b"BatchFunction", b"Dataset")


class _Plan:
    """Resolved feeds and fetches, and how long their last run took (seconds)."""

    __slots__ = ("feeds", "fetches", "seconds")

    def __init__(self, feeds: ctypes.Array, fetches: ctypes.Array) -> None:
        self.feeds = feeds
        self.fetches = fetches
        self.seconds = float("inf")


class Session:
    """A loaded model: feeds and fetches by tensor name.

    Made by `load`. Safe to run from many threads at once; `close` only when none is running.
    `signatures` are the entries of `MetaGraphDef.signature_def`, serialized; `writes` tells that
    running one of them may change what the next run answers. While `in_caller` is set, the thread
    that asks runs the operations, at its own priority.
    """

    def __init__(
        self, session: int, graph: int, signatures: tuple[bytes, ...], loops: bool, writes: bool
    ) -> None:
        self.signatures = signatures
        self.writes = writes
        self.in_caller = False
        self._loops = loops
        self._session = session
        self._graph = graph
        self._plans: dict[tuple[tuple[str, ...], tuple[str, ...]], _Plan] = {}

    def run(
        self,
        feeds: Sequence[tuple[str, Tensor]],
        fetches: Sequence[str],
        timeout_ms: int | None = None,
    ) -> list[Tensor]:
        """Run the graph once and return the fetched tensors in order.

        Raises:
            StatusError: what TensorFlow says, in its words.
            DeadlineExceededError: it took longer than `timeout_ms`.
        """
        names = tuple([name for name, _ in feeds])
        key = (names, tuple(fetches))
        plan = self._plans.get(key)
        if plan is None:
            plan = _Plan(self._outputs(names, "fed"), self._outputs(fetches, "fetched"))
            if len(self._plans) < _MAX_PLANS:
                self._plans[key] = plan
        return self._run(plan, [tensor for _, tensor in feeds], timeout_ms)

    def _run(self, plan: _Plan, fed: Sequence[Tensor], timeout_ms: int | None) -> list[Tensor]:
        values = (ctypes.c_void_p * len(fed))(*[tensor.owner.pointer for tensor in fed])
        results = (ctypes.c_void_p * len(plan.fetches))()
        tf = library()
        options = None
        stoppable = self._loops and timeout_ms is not None
        in_caller = (self.in_caller and not stoppable) or (
            not self._loops
            and plan.seconds < _QUICK_SECONDS
            and sum([tensor.size for tensor in fed]) <= _SMALL_ELEMENTS
        )
        if in_caller or timeout_ms is not None:
            text = run_options(timeout_ms, in_caller)
            options = tf.TF_NewBufferFromString(text, len(text))
        began = time.perf_counter()
        try:
            with Status() as status:
                tf.TF_SessionRun(
                    self._session,
                    options,
                    plan.feeds,
                    values,
                    len(fed),
                    plan.fetches,
                    results,
                    len(plan.fetches),
                    None,
                    0,
                    None,
                    status,
                )
        finally:
            plan.seconds = time.perf_counter() - began
            if options is not None:
                tf.TF_DeleteBuffer(options)
        return [adopt(pointer) for pointer in results]

    def unset_state(self, fetches: Iterable[str]) -> list[str]:
        """The variables and tables that these tensors depend on and that hold no value.

        Call it before the session is used: it adds operations to the graph.
        """
        questions = add_questions(self._graph, fetches)
        answers = self._fetch(list(questions.variables.values()))
        unset = [
            name
            for name, answer in zip(questions.variables, answers, strict=True)
            if not answer.memory()[0]
        ]
        for name, question in questions.tables.items():
            try:
                self._fetch([question])
            except (AbortedError, FailedPreconditionError):
                unset.append(name)
        return unset

    def _fetch(self, outputs: Sequence[Output]) -> list[Tensor]:
        if not outputs:
            return []
        return self._run(_Plan((Output * 0)(), (Output * len(outputs))(*outputs)), [], None)

    def close(self) -> None:
        """Give the memory back. The session must not be running."""
        if not self._session:
            return
        tf, session = library(), self._session
        self._session = 0
        with Status() as status:
            tf.TF_CloseSession(session, status)
        with Status() as status:
            tf.TF_DeleteSession(session, status)
        tf.TF_DeleteGraph(self._graph)

    def _outputs(self, names: Sequence[str], verb: str) -> ctypes.Array:
        tf = library()
        outputs = (Output * len(names))()
        for slot, name in zip(outputs, names, strict=True):
            operation, _, index = name.partition(":")
            slot.operation = tf.TF_GraphOperationByName(self._graph, operation.encode())
            slot.index = int(index or 0)
            if not slot.operation or slot.index >= tf.TF_OperationNumOutputs(slot.operation):
                raise NotFoundError(
                    f"Tensor {name}, specified to be {verb}, was not found in the Graph"
                )
        return outputs


def load(directory: Path, options: SessionOptions, *, in_caller: bool = False) -> Session:
    """Load the SavedModel in `directory`; `in_caller` has this thread restore its state, and
    the session stay with who asks where the graph allows it.

    Raises:
        StatusError: as TF Serving reports it.
    """
    _check_format(directory)
    tf = library()
    tags = (ctypes.c_char_p * len(options.tags))(*[tag.encode() for tag in options.tags])
    graph = tf.TF_NewGraph()
    meta_graph = tf.TF_NewBuffer()
    session_options = new_session_options(options)
    restoring = run_options(None, in_caller)
    restore_options = tf.TF_NewBufferFromString(restoring, len(restoring))
    try:
        with Status() as status:
            session = tf.TF_LoadSessionFromSavedModel(
                session_options,
                restore_options,
                str(directory).encode(),
                tags,
                len(tags),
                graph,
                meta_graph,
                status,
            )
        content = meta_graph.contents
        data = memoryview((ctypes.c_char * content.length).from_address(content.data)).cast("B")
        signatures = tuple(
            [bytes(value) for number, value in length_delimited(data) if number == _SIGNATURE_DEF]
        )
        loops, writes = _mentioned(data, _LOOPS), _mentioned(data, _WRITES)
        loaded = Session(session, graph, signatures, loops, writes)
        loaded.in_caller = in_caller and not _mentioned(data, _THREADS)
        return loaded
    except StatusError:
        tf.TF_DeleteGraph(graph)
        raise
    finally:
        tf.TF_DeleteBuffer(meta_graph)
        tf.TF_DeleteBuffer(restore_options)
        tf.TF_DeleteSessionOptions(session_options)


def _mentioned(data: memoryview, names: Sequence[bytes]) -> bool:
    """Whether one of `names` stands in `data`, searched in pieces: a search holds Python's lock."""
    overlap = max(map(len, names)) - 1
    for begin in range(0, len(data), _PIECE_BYTES):
        piece = bytes(data[begin : begin + _PIECE_BYTES + overlap])
        if any(name in piece for name in names):
            return True
        time.sleep(0)  # a thread that waits for the lock takes it now
    return False


def _check_format(directory: Path) -> None:
    # TF Serving looks before it calls the loader, and words these two itself.
    if any((directory / name).exists() for name in ("saved_model.pb", "saved_model.pbtxt")):
        return
    if (directory / "export.meta").exists():
        raise UnimplementedError("Session Bundle is deprecated and removed.")
    raise NotFoundError(
        "Specified file path does not appear to contain a SavedModel bundle "
        "(should have a file called `saved_model.pb`)\n"
        f"Specified file path: {directory}"
    )
