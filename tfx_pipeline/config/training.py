"""How the encoder is fine-tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tfx_pipeline.config.base import Frozen, Share


class AugmentationConfig(Frozen):
    """What is changed at random in the training texts, anew in each epoch.

    `share` of the texts is changed. In such a text each word piece becomes [MASK] with
    probability `mask`; each word is left out with `delete`, changes places with the next with
    `swap`, gets a slip of the keyboard with `typo`, and becomes a synonym with `synonym`, from
    `synonyms` (a file of words with one meaning on each line, parted by tabs) or, without such a
    file, from WordNet through `nltk`. `hook` is the dotted name of a function from text to text,
    for example a back-translation. Token tasks know `mask` alone: the others would move the tags.
    """

    share: Share = 0.5
    mask: Share = 0.0
    delete: Share = 0.0
    swap: Share = 0.0
    typo: Share = 0.0
    synonym: Share = 0.0
    synonyms: Path | None = None
    hook: str | None = Field(default=None, pattern=r"^[\w.]+\.\w+$")

    @property
    def of_words(self) -> bool:
        """Whether the text changes, so that it has to be tokenized anew."""
        return max(self.delete, self.swap, self.typo, self.synonym) > 0 or self.hook is not None


class TrainingConfig(Frozen):
    """How the encoder is fine-tuned.

    Steps: `batch_tokens` is the budget of word pieces in a batch, so short texts travel in large
    batches; the gradients of `accumulate` batches make one step. `precision` `auto` means
    bfloat16 where the processor has it; `float16` scales the loss as it needs.

    Rates: `learning_rate` is the head's; each layer below has `layer_decay` times the rate of the
    one above. `freeze_layers` holds the embeddings and that many encoder layers as they are (0
    trains all). `lora_rank` trains low-rank changes of the attention instead of the encoder; they
    are merged before the export.

    Loss: `class_weight` `balanced` weighs a class by the square root of its rarity;
    `template_weight` `root` weighs an event by one over the square root of the number of events
    that differ from it in numbers alone. `focal` is the exponent of the focal loss (0: cross
    entropy); `label_smoothing` the share of the truth given to all labels alike.

    Regularisers: `dropout` before the head, `dropout_samples` masks of it at a time; `r_drop` the
    weight of the disagreement of two passes; `adversarial` the length of FGM's step, in norms of
    the embeddings. `average` gives the running mean of the weights (`ema`, with `ema_decay` a
    step) or the mean over the epochs from the middle on (`swa`) in place of the last weights.

    `wide` puts logistic regression on words and word pairs beside the encoder, for the anomaly and
    classification tasks. Log-odds of labels are added; an anomaly is what both call one: the
    lesser of their log-odds counts, each on the scale of the held-out events.

    Validation: the eval split chooses the threshold, and the epoch, stopping after `patience`
    epochs without a better one (0: all epochs are trained and the last weights count, for an eval
    split too small to choose by). With `folds` (2 or more) the train and eval splits are parted
    into that many, each template (the text without its numbers) in one fold alone; epochs and
    threshold are those that were best on events whose template the model had not seen, and then
    a model is trained on all of them. It takes `folds` + 1 trainings. The threshold of a token
    task is a shift of O's logit, for the best entity F1.

    `alerts_per_day` is the budget of the people who read the alerts of an anomaly model: its
    threshold then lets as many of the held-out events through, by their times; without it the
    threshold is that of the best F1.

    `warm_start` begins with the weights of the last blessed version where there is one; labels may
    have come, gone or changed places. With `folds` they would have seen what is held out.

    `checkpoints` keeps the state after each epoch, so that a killed training goes on from there.
    """

    epochs: int = Field(default=3, ge=1)
    batch_tokens: int = Field(default=512, ge=8)
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: Share = 0.1
    clip_norm: float = Field(default=1.0, gt=0)
    freeze_layers: int = Field(default=0, ge=0)
    lora_rank: int = Field(default=0, ge=0)
    patience: int = Field(default=2, ge=0)
    folds: int = Field(default=0, ge=0, le=20)
    class_weight: Literal["none", "balanced"] = "none"
    template_weight: Literal["none", "root"] = "none"
    focal: float = Field(default=0.0, ge=0)
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    wide: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    dropout_samples: int = Field(default=1, ge=1)
    r_drop: float = Field(default=0.0, ge=0)
    adversarial: float = Field(default=0.0, ge=0)
    average: Literal["none", "ema", "swa"] = "none"
    ema_decay: Annotated[float, Field(gt=0, lt=1)] = 0.99
    augmentation: AugmentationConfig = AugmentationConfig()
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    warm_start: bool = False
    checkpoints: bool = True
    seed: int = 0
    alerts_per_day: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingConfig:
        if self.folds == 1:
            raise ValueError("folds: two at least, or 0 to choose on the eval split")
        if self.folds and self.warm_start:
            raise ValueError("folds and warm_start: the last version has seen what is held out")
        if self.focal and self.label_smoothing:
            raise ValueError("focal and label_smoothing: give one of them")
        if self.average == "ema" and self.accumulate > 1:
            raise ValueError("average: ema counts every batch; with accumulate > 1 take swa")
        return self
