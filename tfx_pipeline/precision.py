"""Which number format the encoder computes in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Precision = Literal["float32", "bfloat16", "float16"]

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
_AMPERE = (8, 0)
_POLICIES = {"bfloat16": "mixed_bfloat16", "float16": "mixed_float16", "float32": "float32"}


def resolve(precision: Literal["auto", "float32", "bfloat16", "float16"]) -> Precision:
    """Turn `auto` into bfloat16 where this machine's GPU or CPU computes in it, else float32."""
    if precision != "auto":
        return precision
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return "bfloat16" if details.get("compute_capability", (0, 0)) >= _AMPERE else "float32"
    return "bfloat16" if _BFLOAT16_FLAGS & _cpu_flags() else "float32"


def policy(precision: Literal["auto", "float32", "bfloat16", "float16"]) -> str:
    """Return the Keras dtype policy of a training that computes so; weights stay float32."""
    return _POLICIES[resolve(precision)]


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return set(flags.partition(":")[2].split())
