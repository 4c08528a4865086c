"""How the encoder learns from unlabelled texts, before it is fine-tuned."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tfx_pipeline.config.base import Frozen


class PretrainingConfig(Frozen):
    """How `tfx-pipeline pretrain` goes on with the encoder's pretraining on unlabelled texts.

    In each epoch the share `mask` of the word pieces is hidden anew, to be guessed from the
    others. `batch_tokens` is the budget of word pieces in a batch, `learning_rate` that of all
    layers alike. Precision and seed are those of `training`.
    """

    epochs: int = Field(default=3, ge=1)
    batch_tokens: int = Field(default=2048, ge=8)
    learning_rate: float = Field(default=1e-4, gt=0)
    mask: Annotated[float, Field(gt=0, lt=1)] = 0.15
