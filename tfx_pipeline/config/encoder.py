"""The pretrained encoder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tfx_pipeline.config.base import Frozen


class EncoderConfig(Frozen):
    """The pretrained encoder.

    `preset` is `all-MiniLM-L6-v2` (its weights come with the `pipeline` extra), or any BERT,
    DistilBERT or ELECTRA, also multilingual or Chinese: a local directory, a preset of KerasHub
    (`bert_base_multi`, `bert_base_zh`), an `hf://` or a `kaggle://` handle. `sha256` pins the
    weight file.
    `max_length` is in word pieces, [CLS] and [SEP] included. Longer texts are read in overlapping
    `windows` of that length, at most `max_windows` of them, or `truncate`d to the first.
    `word_shapes` tells an encoder without capitals which words have them, or digits.
    """

    preset: str = "all-MiniLM-L6-v2"
    sha256: str | None = None
    max_length: int = Field(default=128, ge=8)
    long_texts: Literal["windows", "truncate"] = "windows"
    max_windows: int = Field(default=16, ge=1)
    word_shapes: bool = False

    @property
    def stride(self) -> int:
        """By how many word pieces windows follow each other: they share a quarter."""
        room = self.max_length - 2
        return room - room // 4

    @property
    def room(self) -> int:
        """How many word pieces of a text are read, [CLS] and [SEP] not counted."""
        windows = self.max_windows if self.long_texts == "windows" else 1
        return self.max_length - 2 + (windows - 1) * self.stride
