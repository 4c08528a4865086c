"""TFRecord files without TensorFlow, which takes longer to import than data does.

A record is its length (uint64), the masked CRC-32C of the length, the bytes, and the masked
CRC-32C of the bytes, all little-endian (tensorflow/core/lib/io/record_writer.h).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import google_crc32c


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write a gzip TFRecord file; equal records give equal files."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + _masked(length) + record + _masked(record))


def read_records(path: Path) -> Iterator[bytes]:
    """Read a TFRecord file, gzip or plain.

    Raises:
        ValueError: the file is damaged, cut off, or not a TFRecord file.
    """
    with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
        try:
            while head := file.read(12):
                length = head[:8]
                if head[8:] != _masked(length):
                    raise ValueError("not a TFRecord file, or damaged")
                record = file.read(struct.unpack("<Q", length)[0])
                if file.read(4) != _masked(record):
                    raise ValueError("a record is damaged or cut off")
                yield record
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"damaged gzip: {error}") from error


def is_gzip(path: Path) -> bool:
    """Say whether a file begins as gzip does."""
    with path.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


def _masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
