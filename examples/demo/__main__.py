"""The demo's command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from .children import Children
from .conductor import conduct
from .errors import DemoError
from .report import report
from .scenario import free_address, real_log, simulated
from .steps import Steps
from .workdir import Workdir

_ROOT = Path(__file__).resolve().parents[2]


def main(argv: list[str] | None = None) -> int:
    """Run the demo: 0 done, 1 a step failed, 2 an option is wrong, 130 interrupted."""
    options = _options(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        _demo(options)
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything it started has ended", file=sys.stderr)
        return 130
    return 0


def _demo(options: argparse.Namespace) -> None:
    with Workdir(options.workdir) as workdir:
        address = free_address()
        if options.data:
            scenario = real_log(workdir, options.data, options.seconds, address)
        else:
            scenario = simulated(workdir, options.seconds, address)
        print(f"livebert demo: {scenario.about}")
        steps = Steps(5 if scenario.make_history else 4)
        with Children(workdir / "logs") as children:
            board = conduct(scenario, options.seconds, children, steps)
        text = report(scenario, board, steps.seconds)
        print(text)
        (workdir / "report.txt").write_text(text.lstrip() + "\n")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="Fine-tune a BERT on events, serve it, and score a live stream.",
    )
    parser.add_argument(
        "--data", type=Path, metavar="LOG", help="a log in the format of BGL_2k.log, not simulated"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=60.0, help="how long to stream (%(default)g)"
    )
    parser.add_argument(
        "--workdir", type=Path, default=Path(".demo"), help="emptied first (%(default)s)"
    )
    options = parser.parse_args(argv)
    # The commands it shows and runs are meant for the repository's root.
    options.workdir = _from_root(options.workdir)
    options.data = options.data and _from_root(options.data)
    os.chdir(_ROOT)
    return options


def _from_root(path: Path) -> Path:
    absolute = path.absolute()
    return absolute.relative_to(_ROOT) if absolute.is_relative_to(_ROOT) else absolute


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 3600:
        raise argparse.ArgumentTypeError("between 1 and 3600")
    return value


if __name__ == "__main__":
    sys.exit(main())
