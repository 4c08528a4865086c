"""Sending lines at their moments, and their labels later."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .labels import LateLabels
from .stopping import Stop
from .targets import Target


@dataclass(frozen=True)
class Timed:
    """A line to send `after` so many seconds of streaming.

    `event_id` is None for a line that carries no id; it then gets one from its place in the
    target. `label` is None where the truth is not known.
    """

    after: float
    line: bytes
    event_id: str | None
    label: str | None
    incident: str | None


@dataclass
class Sent:
    """What a stream did."""

    seconds: float = 0.0
    lines: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    stopped: bool = False

    def __str__(self) -> str:
        rate = self.lines / self.seconds if self.seconds else 0.0
        text = f"{self.lines} lines in {self.seconds:.1f} s ({rate:.1f}/s)"
        return text + abnormal(self.lines, self.kinds) + ("; stopped early" * self.stopped)


def abnormal(lines: int, kinds: Counter[str]) -> str:
    """How many of `lines` were abnormal, by kind, as the end of a sentence."""
    if not kinds:
        return ""
    listed = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
    return f"; {kinds.total()} abnormal ({kinds.total() / lines:.1%}): {listed}"


def stream(
    lines: Iterable[Timed],
    target: Target,
    labels: LateLabels | None,
    event_id: str,
    stop: Stop,
) -> Sent:
    """Send every line at its moment; return when all are sent and all labels are known.

    `event_id` is the format of the ids of lines that carry none, with `{path}`, `{byte}` and
    `{line}` (from 1). A target that was away makes the stream late; it then sends without waiting
    until it has caught up. Asked to stop, it ends at once and does not wait for the labels.
    """
    sent = Sent()
    begin = time.monotonic()
    for timed in lines:
        if not _wait(begin + timed.after, labels, stop):
            break
        byte = target.send(timed.line)
        if byte is None:
            sent.stopped = True
            break
        sent.lines += 1
        if timed.incident:
            sent.kinds[timed.incident] += 1
        if labels and timed.label:
            name = timed.event_id or event_id.format(path=target.path, byte=byte, line=sent.lines)
            labels.expect(name, timed.label, timed.incident)
    sent.seconds = time.monotonic() - begin
    while labels and (due := labels.next_due) is not None and _wait(due, labels, stop):
        pass
    sent.stopped |= stop.requested
    return sent


def _wait(moment: float, labels: LateLabels | None, stop: Stop) -> bool:
    """Wait for `moment`, writing labels as they become known; False when asked to stop."""
    while labels and (due := labels.next_due) is not None and due <= moment:
        if not stop.sleep_until(due):
            return False
        labels.write_due()
    return stop.sleep_until(moment)
