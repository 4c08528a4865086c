"""`tfx-pipeline`: labelled events in, a blessed SavedModel out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tfx_pipeline.config import SPLITS
from tfx_pipeline.errors import ConfigError, PipelineError

_NOT_BLESSED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed, 2 wrong usage, 3 the model was not blessed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except PipelineError as error:
        print(f"tfx-pipeline: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tfx-pipeline: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfx-pipeline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    imports = commands.add_parser("import", help="labelled files to a span")
    imports.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[SPLIT=]FILE",
        help="instead of data.files; may be repeated, with train=, eval= or test= before it",
    )
    imports.add_argument("--span", type=int, help="number of the span (default: the next one)")
    imports.set_defaults(command=_import)
    run = commands.add_parser("run", help="train, evaluate and push, here")
    run.set_defaults(command=_run)
    for command in (imports, run):
        command.add_argument("--config", type=Path, required=True, help="the model's YAML file")
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key"
        )
    return parser


def _import(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config, show
    from tfx_pipeline.dataset.importing import import_span

    loaded = config.load(arguments.config, arguments.set)
    if arguments.data:
        data = loaded.data.model_copy(update={"files": _files(arguments.data)})
        loaded = loaded.model_copy(update={"data": data})
    print(show.import_report(import_span(loaded, arguments.span)))
    return 0


def _files(given: Sequence[str]) -> tuple[str, ...] | dict[str, tuple[str, ...]]:
    """Turn `FILE …` into a list and `SPLIT=FILE …` into a mapping, as `data.files` has them."""
    parts = [value.partition("=") for value in given]
    named = [(split, file) for split, sign, file in parts if sign and split in SPLITS]
    if not named:
        return tuple(given)
    if len(named) != len(given):
        raise ConfigError("--data: name the split of every file (train=, eval=, test=) or of none")
    return {split: tuple(file for name, file in named if name == split) for split, _ in named}


def _run(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config, runners, show

    loaded = config.load(arguments.config, arguments.set)
    run = runners.run_local(loaded)
    outcome = run.outcome
    print()
    print(show.scorecard_table(outcome.scorecard))
    print()
    for reason in outcome.why:
        print(f"not blessed: {reason}")
    if outcome.pushed:
        print(f"blessed and pushed in {run.seconds:.0f} s: {outcome.pushed}")
    return 0 if outcome.blessed else _NOT_BLESSED


if __name__ == "__main__":
    sys.exit(main())
