"""Session settings, written as the ConfigProto and RunOptions that TensorFlow reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from model_server.errors import StatusError
from model_server.runtime.library import Status, library
from model_server.runtime.wire import varint

_BFLOAT16_FIELD = 31  # auto_mixed_precision_onednn_bfloat16 in RewriterConfig
# inter_op_thread_pool: -1
_IN_CALLER = b"\x18" + b"\xff" * 9 + b"\x01"


@dataclass(frozen=True)
class SessionOptions:
    """What a session is made with.

    Thread counts of 0 leave the choice to TensorFlow (one per core); a negative one of
    `inter_op_threads` runs operations in the thread that asks. `config_proto` is a serialized
    ConfigProto that the other settings are merged over.
    """

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    gpu_memory_fraction: float = 0.0
    bfloat16: bool = False
    config_proto: bytes = b""

    def serialized(self) -> bytes:
        """The ConfigProto."""
        out = self.config_proto
        if self.intra_op_threads:
            out += b"\x10" + varint(self.intra_op_threads % 2**64)
        if self.inter_op_threads:
            out += b"\x28" + varint(self.inter_op_threads % 2**64)
        if self.gpu_memory_fraction:
            out += b"\x32\x09\x09" + struct.pack("<d", self.gpu_memory_fraction)
        if self.bfloat16:
            # graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16: ON
            out += b"\x52\x05\x52\x03" + varint(_BFLOAT16_FIELD << 3) + b"\x01"
        return out


def run_options(timeout_ms: int | None, in_caller: bool) -> bytes:
    """RunOptions with a time limit, or run by the thread that asks instead of TensorFlow's pool."""
    out = b"" if timeout_ms is None else b"\x10" + varint(max(timeout_ms, 1))
    return out + (_IN_CALLER if in_caller else b"")


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
