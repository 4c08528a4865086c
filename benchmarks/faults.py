"""What the bridge loses when things fail: `python -m benchmarks.faults [--events N] [--only NAME]`.

Each scenario sends events through a bridge that is a process of its own, makes something fail in
the middle, and then looks for every event by its id. Lost has to be 0 everywhere; an event that is
there twice has the same id twice, and none is where the sink upserts or is transactional.
`make services` brings the brokers. Prints a Markdown table; the exit code is 1 when one is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fault_scenarios import SCENARIOS
from benchmarks.fault_trial import Outcome


def main(argv: list[str] | None = None) -> int:
    """Run the scenarios; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000, help="of each (%(default)s)")
    parser.add_argument("--only", action="append", choices=sorted(SCENARIOS), metavar="NAME")
    parser.add_argument("--list", action="store_true", help="the names")
    wanted = parser.parse_args(argv)
    if wanted.list:
        print("\n".join(SCENARIOS))
        return 0
    head = ("fault", "sent", "predicted", "dead", "lost", "duplicates", "s", "")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    good = True
    for name in wanted.only or SCENARIOS:
        began = time.monotonic()
        # PostgreSQL's user may not enter a directory that is ours alone.
        with tempfile.TemporaryDirectory(prefix="faults") as folder:
            Path(folder).chmod(0o755)
            try:
                outcome = SCENARIOS[name](Path(folder), wanted.events)
            except (SystemExit, AssertionError) as error:
                outcome = Outcome.failed(wanted.events, str(error))
        good = good and outcome.right
        cells = [outcome.sent, outcome.predicted, outcome.dead, outcome.lost, outcome.duplicates]
        seconds = f"{time.monotonic() - began:.0f}"
        verdict = "" if outcome.right else f"WRONG {outcome.reason}"
        print(f"| {name} | {' | '.join(map(str, cells))} | {seconds} | {verdict} |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
