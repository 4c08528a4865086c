"""Batches of like length: a batch is padded to its longest row, so its rows should be alike."""

from __future__ import annotations

from collections.abc import Sequence


def cut_batches(texts: Sequence[str], max_events: int, max_bytes: int) -> list[list[int]]:
    """Cuts texts into batches of like length.

    Args:
      texts: what will be sent.
      max_events: rows of one batch.
      max_bytes: UTF-8 bytes of one batch; a longer text goes alone.

    Returns the indices of each batch; every index stands in exactly one.
    """
    # Characters decide the order: they are free to count, and the order need not be exact.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    batches: list[list[int]] = []
    size = 0
    for index in order:
        text = texts[index]
        # Four bytes are the most a character takes; counting exactly is only for long texts.
        length = len(text) * 4
        if length > max_bytes // max_events:
            length = len(text.encode())
        if batches and len(batches[-1]) < max_events and size + length <= max_bytes:
            batches[-1].append(index)
            size += length
        else:
            batches.append([index])
            size = length
    return batches
