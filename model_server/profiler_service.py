"""The profiler service of TensorFlow, as TF Serving has it on its port.

Its messages are read and written by hand: nothing but their few fields is needed.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import grpc

from model_server.errors import (
    CancelledError,
    InternalError,
    StartError,
    StatusError,
    UnimplementedError,
)
from model_server.grpc_api import MethodHandler, raw_unary
from model_server.runtime import profiler as tracer
from model_server.runtime.wire import fields, varint

log = logging.getLogger(__name__)

SERVICE = "tensorflow.ProfilerService"
# Fields of ProfileRequest, of its options, of TerminateRequest and of ProfileResponse.
_OPTIONS, _ROOT, _SESSION, _HOST, _EMIT = 4, 5, 6, 7, 9
_DURATION_MS, _OVERRIDE_HOST = 9, 15
_TERMINATED_SESSION = 1
_EMPTY_TRACE, _SPACE = b"\x38\x01", b"\x42"


class Profiler:
    """Traces what TensorFlow does for as long as a caller asks, one caller at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[bytes, threading.Event] = {}
        self._stopping = False

    def handlers(self) -> list[MethodHandler]:
        """Its three calls as gRPC wants them; none where TensorFlow's tracer cannot be had."""
        try:
            tracer.check()
        except StartError as error:
            log.warning("there is no profiler service: %s", error)
            return []
        return [
            raw_unary(SERVICE, "Profile", self._profile),
            raw_unary(SERVICE, "Monitor", self._monitor),
            raw_unary(SERVICE, "Terminate", self._terminate),
        ]

    def stop(self) -> None:
        """End the running trace early: its caller gets what there is."""
        with self._lock:
            self._stopping = True
            for end in self._ends.values():
                end.set()

    def _profile(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        request = _parse("Profile", data)
        options = request.get(_OPTIONS, b"")
        asked = _parse("Profile", options)
        milliseconds, session = asked.get(_DURATION_MS, 0), request.get(_SESSION, b"")
        try:
            with tracer.Trace(options) as trace:
                self._wait(session, milliseconds, context)
                trace.collect()
                response = _EMPTY_TRACE if trace.empty else b""
                if request.get(_EMIT):
                    space = trace.serialized()
                    return response + _SPACE + varint(len(space)) + space
                host = asked.get(_OVERRIDE_HOST) or request.get(_HOST, b"")
                trace.save(request.get(_ROOT, b""), session, host)
                return response
        except CancelledError:
            raise
        except StatusError as error:
            raise InternalError(error.message) from error  # whatever its code was

    def _wait(self, session: bytes, milliseconds: int, context: grpc.ServicerContext) -> None:
        """Until the time is up, or the session is terminated.

        Raises:
            CancelledError: the caller is gone.
        """
        end = threading.Event()
        with self._lock:
            self._ends[session] = end
            if self._stopping:
                end.set()
        log.info("Profiling for %d ms", milliseconds)
        try:
            if context.add_callback(end.set):
                end.wait(min(milliseconds / 1000, threading.TIMEOUT_MAX))
        finally:
            with self._lock:
                del self._ends[session]
        if not context.is_active():
            raise CancelledError("the caller of Profile is gone")

    def _monitor(self, _data: bytes, _context: grpc.ServicerContext) -> bytes:
        raise UnimplementedError("unimplemented.")  # TensorFlow's words: it watches TPUs only

    def _terminate(self, data: bytes, _context: grpc.ServicerContext) -> bytes:
        session = _parse("Terminate", data).get(_TERMINATED_SESSION, b"")
        with self._lock:
            if session in self._ends:
                self._ends[session].set()
        return b""


def _parse(call: str, message: bytes) -> dict[int, Any]:
    """The fields by number, the last one of each: numbers, or bytes."""
    try:
        return {
            number: value if isinstance(value, int) else bytes(value)
            for number, value in fields(memoryview(message))
        }
    except (IndexError, ValueError) as error:
        raise InternalError(f"Failed to parse {call} request") from error
