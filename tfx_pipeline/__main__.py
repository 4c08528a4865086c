"""`tfx-pipeline`: labelled events in, a blessed SavedModel out."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tfx_pipeline.config import SPLITS
from tfx_pipeline.errors import ConfigError, PipelineError

_NOT_BLESSED = 3
# Modules and graphs are many objects that stay: looking for garbage among them after every 700
# new ones, as Python does, is a tenth of the time that loading TensorFlow and TFX takes.
_COLLECT_AFTER = 50_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed, 2 wrong usage, 3 the model was not blessed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    # Nothing is left to free at the end: to look through them once more takes seconds.
    atexit.register(gc.freeze)
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
    pretrains = commands.add_parser(
        "pretrain", help="unlabelled texts to an encoder that knows them"
    )
    pretrains.add_argument("--data", type=Path, action="append", required=True, metavar="FILE")
    pretrains.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    pretrains.set_defaults(command=_pretrain)
    run = commands.add_parser("run", help="train, evaluate and push, here")
    run.set_defaults(command=_run)
    tunes = commands.add_parser("tune", help="search for better values, and write them as a config")
    tunes.add_argument(
        "--output", type=Path, metavar="FILE", help="the config (default: NAME.tuned.yaml)"
    )
    tunes.set_defaults(command=_tune)
    runs = commands.add_parser("runs", help="the runs so far: when, on what, what came of them")
    runs.add_argument("--run", metavar="ID", help="what one of them made: its id, or a version")
    runs.set_defaults(command=_runs)
    review = commands.add_parser("review", help="one HTML page about a run, to read offline")
    which = review.add_mutually_exclusive_group()
    which.add_argument("--run", metavar="ID", help="as for `runs` (default: the newest)")
    which.add_argument("--compare", nargs=2, metavar=("A", "B"), help="run B beside run A")
    review.add_argument("--output", type=Path, metavar="FILE", help="where the page goes")
    review.set_defaults(command=_review)
    selects = commands.add_parser("select", help="unlabelled events: which to label next")
    selects.add_argument("--data", type=Path, action="append", required=True, metavar="FILE")
    selects.add_argument("--count", type=int, default=50, help="events for a person (default: 50)")
    selects.add_argument("--output", type=Path, default=Path("review.jsonl"), metavar="FILE")
    selects.add_argument(
        "--surer-than", type=float, metavar="P", help="label events the model is so sure of"
    )
    selects.add_argument(
        "--labelled", type=Path, default=Path("labelled.jsonl"), metavar="FILE", help="where to"
    )
    selects.set_defaults(command=_select)
    compiles = commands.add_parser("compile", help="the pipeline as a spec for an orchestrator")
    compiles.add_argument("--runner", choices=["kubeflow", "vertex"], required=True)
    compiles.add_argument(
        "--output", type=Path, metavar="FILE", help="YAML or JSON (default: NAME-RUNNER.yaml)"
    )
    compiles.set_defaults(command=_compile)
    keys = commands.add_parser("keys", help="every key of the config, its default and meaning")
    keys.set_defaults(command=_keys)
    for command in (imports, pretrains, run, tunes, runs, review, selects, compiles):
        command.add_argument("--config", type=Path, required=True, help="the model's YAML file")
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key"
        )
    return parser


def _import(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config
    from tfx_pipeline.dataset import report
    from tfx_pipeline.dataset.importing import import_span

    loaded = config.load(arguments.config, arguments.set)
    if arguments.data:
        data = loaded.data.model_copy(update={"files": _files(arguments.data)})
        loaded = loaded.model_copy(update={"data": data})
    print(report.as_text(import_span(loaded, arguments.span)))
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


def _pretrain(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config
    from tfx_pipeline.pretraining import pretrain

    found = pretrain(config.load(arguments.config, arguments.set), arguments.data, arguments.output)
    print(f"{found.texts} texts, {found.distinct} distinct; {found.rejected} rows hold none")
    before, *after = (f"{loss:.2f}" for loss in found.losses)
    print(f"loss on held-out texts: {before} as it was, then {', '.join(after)}")
    print(f"encoder:\n  preset: {arguments.output}\n  sha256: {found.encoder.sha256}")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config, runners, show

    loaded = config.load(arguments.config, arguments.set)
    run = runners.run_local(loaded)
    outcome = run.outcome
    print()
    print(show.scorecard_table(outcome.scorecard))
    print()
    behind = outcome.scorecard["verdict"].get("behind")
    if behind and not outcome.why:
        print(f"a trivial method does better: {behind} (`may_trail` of evaluation.bounds)")
    for reason in outcome.why:
        print(f"{'not pushed' if outcome.blessed else 'not blessed'}: {reason}")
    if outcome.pushed:
        print(f"blessed and pushed in {run.seconds:.0f} s: {outcome.pushed}")
    return 0 if outcome.pushed else _NOT_BLESSED


def _tune(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config, runners, show

    loaded = config.load(arguments.config, arguments.set)
    if loaded.tuning is None:
        raise ConfigError(f"{arguments.config}: tuning.parameters: name the values to search")
    output = arguments.output or Path(f"{loaded.name}.tuned.yaml")
    run = runners.run_local(loaded, until="Tuner")
    from tfx_pipeline.tuning.tuned import write_tuned

    print()
    print(show.trials_table(run.outcome.tuning))
    print()
    print(run.outcome.verdict)
    write_tuned(arguments.config, arguments.set, run.outcome.tuning, output)
    print(f"wrote {output}: tfx-pipeline run --config {output}")
    return 0


def _runs(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config, lineage, outcome, show

    loaded = config.load(arguments.config, arguments.set)
    found = lineage.recorded_runs(loaded.metadata)
    if arguments.run is None:
        print(show.runs_table(loaded, found))
        return 0
    run = lineage.find_run(found, arguments.run)
    print(f"{run.run_id}: {outcome.read_outcome(run).verdict}")
    print(show.lineage_table(run, found))
    return 0


def _review(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config
    from tfx_pipeline.review import write_review

    loaded = config.load(arguments.config, arguments.set)
    compared = arguments.compare or (None, arguments.run)
    print(write_review(loaded, compared[1], compared[0], arguments.output))
    return 0


def _select(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config
    from tfx_pipeline.screen import noise_into

    if arguments.count < 1 or not 0.5 <= (arguments.surer_than or 1) <= 1:
        raise ConfigError("--count is at least 1, --surer-than between 0.5 and 1")
    loaded = config.load(arguments.config, arguments.set)
    # TensorFlow's banner, which no setting of its own keeps back.
    with noise_into(Path(os.devnull)):
        from tfx_pipeline.selection import select

        found = select(
            loaded,
            arguments.data,
            arguments.count,
            arguments.output,
            arguments.surer_than,
            arguments.labelled,
        )
    unread = f"; {found.rejected} rows hold none" if found.rejected else ""
    print(f"{found.events} events of {found.templates} templates{unread}")
    print(f"{arguments.output}: {found.chosen} to label, in the field {loaded.data.label!r}")
    if arguments.surer_than is not None:
        print(f"{arguments.labelled}: {found.labelled} that the model labelled itself")
    return 0


def _keys(_: argparse.Namespace) -> int:
    from tfx_pipeline.config.reference import reference

    print(reference(), end="")
    return 0


def _compile(arguments: argparse.Namespace) -> int:
    from tfx_pipeline import config
    from tfx_pipeline.screen import noise_into

    loaded = config.load(arguments.config, arguments.set)
    output = arguments.output or Path(f"{loaded.name}-{arguments.runner}.yaml")
    if output.suffix not in (".yaml", ".yml", ".json"):
        raise ConfigError(f"--output {output}: name a .yaml or a .json file")
    # TensorFlow's banner, and how TFX calls what it deprecates.
    with noise_into(Path(os.devnull)):
        from tfx_pipeline.kubeflow import compile_pipeline

        written = compile_pipeline(loaded, output, vertex=arguments.runner == "vertex")
    print(written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
