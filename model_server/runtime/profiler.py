"""TensorFlow's own tracer: what the profiler service of TF Serving collects with.

It has no C functions, so the C++ ones are called by the names that the library exports; see
docs/decisions/0009. TensorFlow's own profiler server is not used: it listens on every address.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from ctypes import byref, c_bool, c_char_p, c_int, c_size_t, c_void_p
from types import SimpleNamespace, TracebackType

from model_server.errors import InvalidArgumentError, StartError
from model_server.runtime.library import Status, library, version

# By our name: the C++ symbol, its result and arguments. An object that C++ returns by value is
# written to where the first argument points (the System V calling convention of x86-64).
_FUNCTIONS = {
    "make_options": (
        "_ZN10tensorflow14ProfileOptionsC1EPN6google8protobuf5ArenaE",
        None,
        (c_void_p, c_void_p),
    ),
    "end_options": ("_ZN10tensorflow14ProfileOptionsD1Ev", None, (c_void_p,)),
    "parse": (
        "_ZN6google8protobuf11MessageLite14ParseFromArrayEPKvi",
        c_bool,
        (c_void_p, c_char_p, c_int),
    ),
    "start": (
        "_ZN3tsl15ProfilerSession6CreateERKN10tensorflow14ProfileOptionsE",
        None,
        (c_void_p, c_void_p),
    ),
    "status": ("_ZN3tsl15ProfilerSession6StatusEv", None, (c_void_p, c_void_p)),
    "collect": (
        "_ZN3tsl15ProfilerSession11CollectDataEPN10tensorflow8profiler6XSpaceE",
        None,
        (c_void_p, c_void_p, c_void_p),
    ),
    "end_session": ("_ZN3tsl15ProfilerSessionD1Ev", None, (c_void_p,)),
    "free": ("_ZdlPv", None, (c_void_p,)),
    "make_space": (
        "_ZN10tensorflow8profiler6XSpaceC1EPN6google8protobuf5ArenaE",
        None,
        (c_void_p, c_void_p),
    ),
    "end_space": ("_ZN10tensorflow8profiler6XSpaceD1Ev", None, (c_void_p,)),
    "is_empty": (
        "_ZN3tsl8profiler7IsEmptyERKN10tensorflow8profiler6XSpaceE",
        c_bool,
        (c_void_p,),
    ),
    "size": ("_ZNK10tensorflow8profiler6XSpace12ByteSizeLongEv", c_size_t, (c_void_p,)),
    "write": (
        "_ZNK6google8protobuf11MessageLite16SerializeToArrayEPvi",
        c_bool,
        (c_void_p, c_void_p, c_int),
    ),
    "save": (
        "_ZN3tsl8profiler10SaveXSpaceERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
        "S8_S8_RKN10tensorflow8profiler6XSpaceE",
        None,
        (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p),
    ),
    "report": (
        "_ZN3tsl25Set_TF_Status_from_StatusEP10TSL_StatusRKN4absl12lts_202508146StatusE",
        None,
        (c_void_p, c_void_p),
    ),
    "end_status": ("_ZN4absl12lts_202508146StatusD2Ev", None, (c_void_p,)),
}
# More than any of the objects takes: an options message has 200 bytes.
_ROOM = ctypes.c_uint64 * 256


class _String(ctypes.Structure):
    """`std::string const`, for as long as this and `text` are there."""

    _fields_ = (
        ("data", c_char_p),
        ("size", c_size_t),
        ("capacity", c_size_t),
        ("unused", c_size_t),
    )

    def __init__(self, text: bytes) -> None:
        super().__init__(text, len(text), len(text), 0)


@functools.cache
def _tsl() -> SimpleNamespace:
    """The functions.

    Raises:
        StartError: this TensorFlow has them under other names, or this processor calls otherwise.
    """
    library()
    exported = ctypes.CDLL(None)  # where the library's names are once it is loaded
    if platform.machine() != "x86_64":
        raise StartError(f"TensorFlow's tracer cannot be called on {platform.machine()}")
    functions = SimpleNamespace()
    for name, (symbol, result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(exported, symbol)
        except AttributeError:
            raise StartError(f"TensorFlow {version()} exports no {symbol}") from None
        function.restype, function.argtypes = result, arguments
        setattr(functions, name, function)
    return functions


def check() -> None:
    """Find out whether there can be a trace.

    Raises:
        StartError: there cannot, and why.
    """
    _tsl()


class Trace:
    """What TensorFlow does from here until `collect`; a context that gives back its memory.

    Only one can run in a process at a time. `options` is a serialized ProfileOptions.

    Raises:
        StatusError: another trace is running, or the tracers cannot be started.
    """

    def __init__(self, options: bytes) -> None:
        tsl, made = _tsl(), _ROOM()
        tsl.make_options(made, None)
        self._session, self._space = c_void_p(), _ROOM()
        tsl.make_space(self._space, None)
        try:
            if not tsl.parse(made, options, len(options)):
                raise InvalidArgumentError("the profile's options cannot be parsed")
            tsl.start(byref(self._session), made)
            self._check(tsl.status, self._session)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        finally:
            tsl.end_options(made)

    def __enter__(self) -> Trace:
        return self

    def collect(self) -> None:
        """Stop tracing and gather what was seen: `empty`, `serialized` and `save` tell of it.

        Raises:
            StatusError: what TensorFlow says.
        """
        self._check(_tsl().collect, self._session, self._space)

    @property
    def empty(self) -> bool:
        """Whether nothing was seen."""
        return _tsl().is_empty(self._space)

    def serialized(self) -> bytes:
        """The XSpace."""
        size = _tsl().size(self._space)
        data = ctypes.create_string_buffer(size)
        if not _tsl().write(self._space, data, size):
            raise InvalidArgumentError(f"a profile of {size} bytes is too large for one message")
        return data.raw

    def save(self, root: bytes, run: bytes, host: bytes) -> None:
        """Write `<root>/<run>/<host>.xplane.pb`, wherever TensorFlow can write (also `gs://`).

        Raises:
            StatusError: it cannot be written.
        """
        self._check(
            _tsl().save,
            byref(_String(root)),
            byref(_String(run)),
            byref(_String(host)),
            self._space,
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tsl = _tsl()
        tsl.end_space(self._space)
        if self._session:
            tsl.end_session(self._session)
            tsl.free(self._session)

    def _check(self, function: ctypes._CFuncPtr, *arguments: object) -> None:
        """Call what returns an `absl::Status`, and raise what that says."""
        tsl, said = _tsl(), c_void_p()
        function(byref(said), *arguments)
        try:
            with Status() as status:
                tsl.report(status, byref(said))
        finally:
            tsl.end_status(byref(said))
