"""The TensorFlow shared library and its C functions.

Short calls go through a handle that keeps the GIL: giving it up and asking for it back costs more
than the call. Loading, running and closing a session release it.
"""

from __future__ import annotations

import ctypes
import functools

# TensorFlow's library exports an OpenSSL of its own: Python's modules must be bound to theirs
# before it is loaded, or importing them later kills the process.
import hashlib  # noqa: F401
import importlib.util
import logging
import ssl  # noqa: F401
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

from model_server.errors import StartError, StatusError, status_error

log = logging.getLogger(__name__)


class Buffer(ctypes.Structure):
    """`TF_Buffer`: bytes and who frees them."""

    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


class Output(ctypes.Structure):
    """`TF_Output`: one output of one operation."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


_FORBID_XLA = "_ZN10tensorflow21DisableXlaCompilationEv"  # tensorflow::DisableXlaCompilation()
_SHORT = {
    "TF_Version": (c_char_p, []),
    "TF_NewStatus": (c_void_p, []),
    "TF_DeleteStatus": (None, [c_void_p]),
    "TF_GetCode": (c_int, [c_void_p]),
    "TF_Message": (c_char_p, [c_void_p]),
    "TF_NewBuffer": (POINTER(Buffer), []),
    "TF_NewBufferFromString": (POINTER(Buffer), [c_char_p, c_size_t]),
    "TF_DeleteBuffer": (None, [POINTER(Buffer)]),
    "TF_AllocateTensor": (c_void_p, [c_int, POINTER(c_int64), c_int, c_size_t]),
    "TF_TensorFromProto": (None, [POINTER(Buffer), c_void_p, c_void_p]),
    "TF_DeleteTensor": (None, [c_void_p]),
    "TF_TensorType": (c_int, [c_void_p]),
    "TF_NumDims": (c_int, [c_void_p]),
    "TF_Dim": (c_int64, [c_void_p, c_int]),
    "TF_TensorData": (c_void_p, [c_void_p]),
    "TF_TensorByteSize": (c_size_t, [c_void_p]),
    "TF_StringGetDataPointer": (c_void_p, [c_void_p]),
    "TF_StringGetSize": (c_size_t, [c_void_p]),
    "TF_StringCopy": (None, [c_void_p, c_char_p, c_size_t]),
    "TF_NewGraph": (c_void_p, []),
    "TF_NewSessionOptions": (c_void_p, []),
    "TF_DeleteSessionOptions": (None, [c_void_p]),
    "TF_SetConfig": (None, [c_void_p, c_char_p, c_size_t, c_void_p]),
    "TF_GraphOperationByName": (c_void_p, [c_void_p, c_char_p]),
    "TF_OperationNumOutputs": (c_int, [c_void_p]),
    "TF_OperationName": (c_char_p, [c_void_p]),
    "TF_OperationOpType": (c_char_p, [c_void_p]),
    "TF_OperationNumInputs": (c_int, [c_void_p]),
    "TF_OperationInput": (Output, [Output]),
    "TF_OperationNumControlInputs": (c_int, [c_void_p]),
    "TF_OperationGetControlInputs": (c_int, [c_void_p, POINTER(c_void_p), c_int]),
    "TF_NewOperation": (c_void_p, [c_void_p, c_char_p, c_char_p]),
    "TF_AddInput": (None, [c_void_p, Output]),
    "TF_SetAttrType": (None, [c_void_p, c_char_p, c_int]),
    "TF_OperationGetAttrType": (None, [c_void_p, c_char_p, POINTER(c_int), c_void_p]),
    "TF_FinishOperation": (c_void_p, [c_void_p, c_void_p]),
    _FORBID_XLA: (None, []),
}
_LONG = {
    "TF_LoadLibrary": (c_void_p, [c_char_p, c_void_p]),
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        [
            c_void_p,
            POINTER(Buffer),
            c_char_p,
            POINTER(c_char_p),
            c_int,
            c_void_p,
            POINTER(Buffer),
            c_void_p,
        ],
    ),
    "TF_SessionRun": (
        None,
        [
            c_void_p,
            POINTER(Buffer),
            POINTER(Output),
            POINTER(c_void_p),
            c_int,
            POINTER(Output),
            POINTER(c_void_p),
            c_int,
            c_void_p,
            c_int,
            POINTER(Buffer),
            c_void_p,
        ],
    ),
    "TF_CloseSession": (None, [c_void_p, c_void_p]),
    "TF_DeleteSession": (None, [c_void_p, c_void_p]),
    "TF_DeleteGraph": (None, [c_void_p]),
}
# Packages whose ops the stock binary links: registered when they are installed.
_OP_LIBRARIES = {
    "tensorflow_text": "python/*/_*.so",
    "tensorflow_decision_forests": "tensorflow/ops/*/*.so",
}


class Library:
    """The C functions as attributes, with their types declared."""

    def __init__(self, folder: Path) -> None:
        core = folder / "libtensorflow_cc.so.2"
        ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), mode=ctypes.RTLD_GLOBAL)
        for table, handle in (
            (_SHORT, ctypes.PyDLL(str(core), mode=ctypes.RTLD_GLOBAL)),
            (_LONG, ctypes.CDLL(str(core), mode=ctypes.RTLD_GLOBAL)),
        ):
            for name, (result, arguments) in table.items():
                function = getattr(handle, name)
                function.restype, function.argtypes = result, arguments
                setattr(self, name, function)


class Status:
    """A `TF_Status` for one call; leaving the block raises what the call reported."""

    def __enter__(self) -> int:
        self._pointer = library().TF_NewStatus()
        return self._pointer

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        tf, pointer = library(), self._pointer
        number = tf.TF_GetCode(pointer)
        message = tf.TF_Message(pointer).decode("utf-8", "replace") if number else ""
        tf.TF_DeleteStatus(pointer)
        if number and kind is None:
            raise status_error(number, message)


@functools.cache
def library() -> Library:
    """Load TensorFlow, then the op libraries that are installed.

    Raises:
        StartError: TensorFlow is missing or cannot be loaded.
    """
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.origin is None:
        raise StartError(
            "TensorFlow is not installed",
            "install the server extra: pip install 'livebert[server]'",
        )
    try:
        return Library(Path(spec.origin).parent)
    except (OSError, AttributeError) as error:
        raise StartError(
            f"TensorFlow's C library cannot be loaded: {error}",
            "install the tensorflow wheel this release asks for: pip install 'livebert[server]'",
        ) from error


def forbid_xla() -> None:
    """Have this process refuse to compile with XLA: what asks for it is INTERNAL when it is run.

    There is no way back, and no C function: this is the C++ function that TF Serving calls.
    """
    getattr(library(), _FORBID_XLA)()


def register_op_libraries() -> None:
    """Register the ops of tensorflow_text and tensorflow_decision_forests where installed."""
    for package, pattern in _OP_LIBRARIES.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for file in sorted(Path(spec.origin).parent.glob(pattern)):
            try:
                with Status() as status:
                    library().TF_LoadLibrary(str(file).encode(), status)
            except StatusError as error:
                log.warning("the ops of %s in %s are not there: %s", package, file.name, error)


def version() -> str:
    """TensorFlow's own version, such as `2.21.0`."""
    return library().TF_Version().decode()
