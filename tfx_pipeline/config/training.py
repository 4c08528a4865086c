"""How the encoder is fine-tuned."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tfx_pipeline.config.base import Frozen, Share


class TrainingConfig(Frozen):
    """How the encoder is fine-tuned.

    `batch_tokens` is the budget of word pieces in a batch, so short texts travel in large
    batches. `precision` `auto` means bfloat16 where the processor has it. `class_weight`
    `balanced` weighs a class by the square root of its rarity.
    """

    epochs: int = Field(default=3, ge=1)
    batch_tokens: int = Field(default=512, ge=8)
    learning_rate: float = Field(default=5e-5, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: Share = 0.1
    dropout: Share = 0.1
    clip_norm: float = Field(default=1.0, gt=0)
    patience: int = Field(default=2, ge=1)
    class_weight: Literal["none", "balanced"] = "none"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0
