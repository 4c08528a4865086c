"""What can go wrong in the pipeline.

PipelineError              base: one line for the user, never a traceback
├── ConfigError            a key of the YAML file or a --set flag is wrong
├── DataError              the labelled events cannot become a span
│   └── TooManyRejectedError    more bad rows than data.max_rejected allows
├── EncoderError           no pretrained weights, or the wrong ones
├── RunInProgressError     another run holds this pipeline root
├── PushRefusedError       a pushed version is not what it should be
├── RunNotFoundError       no such run is recorded
└── RunFailedError         a TFX component failed; its log says why
"""

from __future__ import annotations


class PipelineError(Exception):
    """Base of all errors a user of the pipeline can cause or meet."""


class ConfigError(PipelineError):
    """A key is unknown, missing or has a wrong value; the message names file and key."""


class DataError(PipelineError):
    """The input files hold no usable labelled events."""


class TooManyRejectedError(DataError):
    """More rows were rejected than `data.max_rejected` allows."""


class EncoderError(PipelineError):
    """The encoder's files are missing, incomplete or not the ones that were pinned."""


class RunInProgressError(PipelineError):
    """A second run was started in a pipeline root that is in use."""


class PushRefusedError(PipelineError):
    """A version was not copied whole, not loaded, or answers otherwise; it was taken back."""


class RunNotFoundError(PipelineError):
    """The metadata holds no run of that id, or none that can be shown."""


class RunFailedError(PipelineError):
    """A component raised; the message names it and the log file."""
