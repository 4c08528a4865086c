"""The pretrained encoder."""

from __future__ import annotations

from pydantic import Field

from tfx_pipeline.config.base import Frozen


class EncoderConfig(Frozen):
    """The pretrained encoder.

    `preset` is `all-MiniLM-L6-v2` (its weights come with the `pipeline` extra), a local
    directory, or any KerasHub BERT preset or `hf://` handle. `sha256` pins the weight file.
    `max_length` is in word pieces, [CLS] and [SEP] included; longer texts are cut.
    """

    preset: str = "all-MiniLM-L6-v2"
    sha256: str | None = None
    max_length: int = Field(default=128, ge=8)
