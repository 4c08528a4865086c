"""How sessions are made, as the flags ask for it."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format

from model_server.errors import StartError
from model_server.flags import Flags
from model_server.runtime.config_proto import config_proto
from model_server.runtime.options import SessionOptions


def read_session_options(flags: Flags) -> SessionOptions:
    """The options of every session.

    Raises:
        StartError: the flags do not fit together, or the file is not a ConfigProto.
    """
    both = flags.tensorflow_session_parallelism
    intra, inter = flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism
    if both > 0 and intra > 0 and inter > 0:
        raise StartError(
            "tensorflow_session_parallelism, tensorflow_intra_op_parallelism and "
            "tensorflow_inter_op_parallelism are all set",
            "set the first alone, or the other two",
        )
    if intra <= 0 and inter <= 0:
        intra = inter = both
    if flags.mixed_precision not in ("", "bfloat16"):
        raise StartError(
            f"--mixed_precision={flags.mixed_precision} is not known", "use bfloat16, or leave it"
        )
    return SessionOptions(
        tags=tuple(filter(None, flags.saved_model_tags.split(","))) or ("serve",),
        intra_op_threads=intra,
        inter_op_threads=inter,
        gpu_memory_fraction=flags.per_process_gpu_memory_fraction,
        bfloat16=flags.mixed_precision == "bfloat16",
        config_proto=_config_proto(flags.tensorflow_session_config_file),
    )


def _config_proto(path: str) -> bytes:
    if not path:
        return b""
    try:
        text = Path(path).read_text("utf-8")
        return text_format.Parse(text, config_proto()()).SerializeToString()
    except ImportError as error:
        raise StartError(
            "TensorFlow is not installed",
            "install the server extra: pip install 'livebert[server]'",
        ) from error
    except (text_format.ParseError, OSError, UnicodeDecodeError) as error:
        raise StartError(f"Invalid protobuf file: '{path}'", str(error)) from error
