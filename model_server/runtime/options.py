"""Session settings, written as the ConfigProto and RunOptions that TensorFlow reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from model_server.errors import StatusError
from model_server.runtime.library import Status, library
from model_server.runtime.wire import varint


@dataclass(frozen=True)
class SessionOptions:
    """What a session is made with.

    Thread counts of 0 leave the choice to TensorFlow (one per core). `config_proto` is a serialized
    ConfigProto that the other settings are merged over.
    """

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    gpu_memory_fraction: float = 0.0
    config_proto: bytes = b""

    def serialized(self) -> bytes:
        """The ConfigProto."""
        out = self.config_proto
        if self.intra_op_threads:
            out += b"\x10" + varint(self.intra_op_threads)
        if self.inter_op_threads:
            out += b"\x28" + varint(self.inter_op_threads)
        if self.gpu_memory_fraction:
            out += b"\x32\x09\x09" + struct.pack("<d", self.gpu_memory_fraction)
        return out


def run_options(timeout_ms: int) -> bytes:
    """RunOptions with a time limit."""
    return b"\x10" + varint(timeout_ms)


def new_session_options(options: SessionOptions) -> int:
    """A `TF_SessionOptions`; the caller deletes it.

    Raises:
        StatusError: `config_proto` is not a ConfigProto.
    """
    pointer = library().TF_NewSessionOptions()
    config = options.serialized()
    try:
        with Status() as status:
            library().TF_SetConfig(pointer, config, len(config), status)
    except StatusError:
        library().TF_DeleteSessionOptions(pointer)
        raise
    return pointer
