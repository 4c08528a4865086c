"""What ends a demo early.

DemoError           base: its text is for the person who started the demo
├── UsageError      an option cannot be used
└── StepFailed      a command failed: the end of its log, and where the log is
"""

from __future__ import annotations

from pathlib import Path


class DemoError(Exception):
    """Base of all errors of the demo."""

    exit_code = 1


class UsageError(DemoError):
    """An option of the demo cannot be used."""

    exit_code = 2


class StepFailed(DemoError):  # noqa: N818 - reads as the event it is
    """A command of the chain failed, or took too long."""

    def __init__(self, what: str, log: Path, tail: str):
        shown = "".join(f"  | {line}\n" for line in tail.splitlines())
        super().__init__(f"{what}. The end of its log:\n{shown}The whole log: {log}")
