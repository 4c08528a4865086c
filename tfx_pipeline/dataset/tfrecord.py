"""Writing TFRecord files without TensorFlow, which takes longer to import than data does.

A record is its length (uint64), the masked CRC-32C of the length, the bytes, and the masked
CRC-32C of the bytes, all little-endian (tensorflow/core/lib/io/record_writer.h).
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable
from pathlib import Path

import google_crc32c


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write a gzip TFRecord file; equal records give equal files."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + _masked(length) + record + _masked(record))


def _masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
