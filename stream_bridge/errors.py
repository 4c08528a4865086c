"""What can go wrong in the bridge, as one tree.

::

    BridgeError                 everything the bridge raises on purpose; its text is one clear line
    ├── ConfigError             the config file: names file and key
    ├── MismatchError           the config and the server do not fit each other
    │   └── ServerAway          the server does not answer, so it is not known
    ├── StateError              the state directory is in use, or unreadable
    ├── SourceError             the source cannot be opened or read
    │   └── SourceAway          it does not answer now, and may come back
    ├── SinkError               results cannot be written
    ├── EngineError             what runs the pipeline does not start, or gave up
    ├── WaitedTooLong           the server (or a sink) was away longer than the config allows
    ├── Abandoned               the drain ran out of time: what was read is handed back unfinished
    ├── ExamplesRefused          the model refuses examples of a RunInference batch
    └── ParseError              one line is no event; becomes a dead letter, never stops the stream
"""

from __future__ import annotations


class BridgeError(Exception):
    """Base of everything the bridge raises on purpose; its text is one clear line."""

    exit_code = 1


class ConfigError(BridgeError):
    """The config file is wrong; the text names file and key."""

    exit_code = 2


class MismatchError(BridgeError):
    """The config and the server do not fit each other."""

    exit_code = 2


class ServerAway(MismatchError):  # noqa: N818 - reads as the event it is
    """The server does not answer, so it is not known whether the config fits it."""


class StateError(BridgeError):
    """The state directory is in use by another bridge, or unreadable."""

    exit_code = 2


class SourceError(BridgeError):
    """The source cannot be opened or read."""


class SourceAway(SourceError):  # noqa: N818 - reads as the event it is
    """The source does not answer now, and may come back."""


class SinkError(BridgeError):
    """Results cannot be written."""


class EngineError(BridgeError):
    """What runs the pipeline does not start, or gave up."""


class WaitedTooLong(BridgeError):  # noqa: N818 - reads as the event it is
    """The server (or a sink) was away longer than the config allows."""


class Abandoned(BridgeError):  # noqa: N818 - reads as the event it is
    """The drain ran out of time: what was read is handed back and will be read again."""


class ExamplesRefused(BridgeError):  # noqa: N818 - reads as the event it is
    """The model refuses examples of a batch; RunInference's exception handling takes the batch."""


class ParseError(BridgeError):
    """One line is no event.

    Args:
      code: machine-readable reason, such as ``NOT_JSON``; goes into the dead letter.
      message: what was wrong, in words.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


# What starting the pipeline again does not help against.
FINAL = (Abandoned, WaitedTooLong, StateError, ConfigError)
