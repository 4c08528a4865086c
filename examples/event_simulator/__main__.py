"""The command line: `history`, `stream` and `replay`."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from itertools import islice, takewhile
from pathlib import Path

from .errors import SimulatorError, TargetError, UsageError
from .labels import LateLabels
from .records import Event
from .replay import label_of, replay
from .simulation import Plan, simulate
from .stopping import Stop
from .streaming import Timed, abnormal, stream
from .targets import open_target
from .times import duration, moment, moment_or_duration


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command; the exit status."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except SimulatorError as error:
        print(f"event_simulator: {error}", file=sys.stderr)
        return 1
    return 0


def _history(options: argparse.Namespace) -> None:
    plan = _plan(
        options,
        start=options.start,
        rate=options.events / (options.days * 86_400),
        daily=True,
    )
    events = list(islice(simulate(plan), options.events))
    write = Event.to_json if options.format == "jsonl" else Event.to_text
    text = "".join(write(event, labelled=True) + "\n" for event in events)
    if options.out == "-":
        sys.stdout.write(text)
    else:
        try:
            Path(options.out).parent.mkdir(parents=True, exist_ok=True)
            Path(options.out).write_text(text)
        except OSError as error:
            raise TargetError(f"cannot write {options.out}: {error.strerror}") from error
    kinds = Counter(e.incident for e in events if e.incident)
    days = (events[-1].time - plan.start) / 86_400
    print(
        f"wrote {options.out}: {len(events)} events of {days:.1f} days"
        + abnormal(len(events), kinds),
        file=sys.stderr if options.out == "-" else sys.stdout,
    )


def _stream(options: argparse.Namespace) -> None:
    start = time.time() if options.start is None else options.start
    plan = _plan(options, start=start, rate=options.rate, daily=False)
    events = simulate(plan)
    if options.seconds is not None:
        events = takewhile(lambda event: event.time - start <= options.seconds, events)
    jsonl = options.format == "jsonl"
    write = Event.to_json if jsonl else Event.to_text
    _send(
        options,
        (
            Timed(
                after=event.time - start,
                line=write(event).encode() + b"\n",
                event_id=event.id if jsonl else None,
                label=event.label,
                incident=event.incident,
            )
            for event in events
        ),
    )


def _replay(options: argparse.Namespace) -> None:
    truth = None
    if options.labels:
        if not options.header:
            raise UsageError("--labels needs --header, which says where a line has its label")
        truth = label_of(options.header, options.label_field, options.normal_label)
    _send(
        options,
        replay(Path(options.file), options.rate, options.skip, options.limit, truth),
    )


def _send(options: argparse.Namespace, lines) -> None:
    stop = Stop()
    stop.on_signals()
    labels = None
    if options.labels:
        # Its own random numbers: how late labels are must not change which events there are.
        labels = LateLabels(options.labels, options.label_delay, random.Random(0))
    target = open_target(options.to, stop)
    try:
        sent = stream(lines, target, labels, options.event_id, stop)
    finally:
        target.close()
        if labels:
            labels.close()
    print(f"{options.to}: sent {sent}", file=sys.stderr)


def _plan(options: argparse.Namespace, *, start: float, rate: float, daily: bool) -> Plan:
    switch = options.new_incidents_after
    try:
        after = None if switch is None else moment_or_duration(switch, start)
    except ValueError as error:
        raise UsageError(f"--new-incidents-after {error}") from error
    return Plan(
        seed=options.seed,
        start=start,
        rate=rate,
        daily=daily,
        abnormal_share=options.abnormal_share,
        new_incidents_after=after,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.event_simulator",
        description="A fleet of services that writes log lines and has incidents.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    history = commands.add_parser("history", help="write labelled events of some past days")
    history.add_argument(
        "--events", type=_typed(_count), default=6000, help="how many (%(default)s)"
    )
    history.add_argument("--out", default="-", help="file to write, - for stdout (%(default)s)")
    history.add_argument(
        "--days", type=_typed(_positive), default=3, help="over so many days (%(default)s)"
    )
    history.add_argument(
        "--start",
        type=_typed(moment),
        default=moment("2026-01-05T00:00:00Z"),
        help="time of the beginning (2026-01-05T00:00:00Z)",
    )
    _add_simulation(history, seed=1)
    history.set_defaults(run=_history)

    live = commands.add_parser("stream", help="write events as they happen, labels later")
    live.add_argument(
        "--rate",
        type=_typed(_positive),
        default=20,
        help="events a second, on average (%(default)s)",
    )
    live.add_argument("--seconds", type=_typed(duration), help="end after so long (90, 15m; never)")
    live.add_argument("--start", type=_typed(moment), help="event time of the beginning (now)")
    _add_simulation(live, seed=2)
    _add_sending(live)
    live.set_defaults(run=_stream)

    again = commands.add_parser("replay", help="stream the lines of a log file, unchanged")
    again.add_argument("file", help="the log file")
    again.add_argument(
        "--rate", type=_typed(_positive), default=20, help="lines a second (%(default)s)"
    )
    again.add_argument("--skip", type=_typed(int), default=0, help="leave out the first N lines")
    again.add_argument("--limit", type=_typed(int), help="send at most N lines")
    again.add_argument("--header", help='how a line is built: "<Label> <Time> <Content>"')
    again.add_argument(
        "--label-field", default="Label", help="the part with the label (%(default)s)"
    )
    again.add_argument(
        "--normal-label", default="-", help="its value in a normal line (%(default)s)"
    )
    _add_sending(again)
    again.set_defaults(run=_replay)
    return parser


def _add_simulation(parser: argparse.ArgumentParser, seed: int) -> None:
    parser.add_argument(
        "--seed", type=_typed(int), default=seed, help="same seed, same events (%(default)s)"
    )
    parser.add_argument(
        "--format", choices=("jsonl", "text"), default="jsonl", help="(%(default)s)"
    )
    parser.add_argument(
        "--abnormal-share",
        type=_typed(_share),
        default=0.065,
        help="share of abnormal lines (%(default)s)",
    )
    parser.add_argument(
        "--new-incidents-after",
        metavar="TIME",
        help="from then on kinds of incident never seen before happen too (a time, or 90s, 2d)",
    )


def _add_sending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", default="stdout", help="stdout, file:PATH or tcp:HOST:PORT")
    parser.add_argument("--labels", metavar="FILE", help="append the truth here when it is known")
    parser.add_argument(
        "--label-delay",
        type=_typed(duration),
        default=5.0,
        help="how late, on average (%(default)s s)",
    )
    parser.add_argument(
        "--event-id",
        default="{path}:{byte}",
        help="id of a line without one: {path}, {byte} or {line} of the target (%(default)s)",
    )


def _typed(convert):
    """`convert` for argparse: a ValueError's own text becomes the message."""

    def checked(text: str):
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


def _positive(text: str) -> float:
    if not (value := float(text)) > 0:
        raise ValueError(f"{text} is not more than 0")
    return value


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError(f"{text} is less than 1")
    return value


def _share(text: str) -> float:
    if not 0 <= (value := float(text)) <= 0.2:
        raise ValueError(f"{text} is not between 0 and 0.2")
    return value


if __name__ == "__main__":
    sys.exit(main())
