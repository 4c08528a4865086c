"""What can go wrong.

SimulatorError      base: one line that says what to do
├── UsageError      an option or an input file is wrong
└── TargetError     the place to write to cannot be written
"""


class SimulatorError(Exception):
    """Base of all errors of the simulator; its text is the whole message for the user."""


class UsageError(SimulatorError):
    """An option, or the file it names, cannot be used."""


class TargetError(SimulatorError):
    """The place to write to cannot be written."""
